import type { Container, StoragePlace } from "./container.ts";
import { elementBytes } from "./dtypes.ts";
import { Malformed, quoted } from "./errors.ts";
import type { CheckpointLimits } from "./limits.ts";
import { PickleEnds } from "./pickle-input.ts";
import { readPickle, type PickleRules, type Unpickled } from "./pickle.ts";
import type { RangedFile } from "./ranged-file.ts";
import { callGlobal, StorageTable } from "./torch-values.ts";
import { Inert, type StorageRef } from "./values.ts";

/** The pickle of a number that such files start with. */
export const legacyMagic: readonly number[] = [
  0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];

const protocolVersion = 1001;
const firstRead = 2 ** 12;
const countBytes = 8;

/** Opens what PyTorch wrote before 1.6, and later on request: five pickles, then the storages one after another. */
export async function openLegacyContainer(file: RangedFile, limits: CheckpointLimits): Promise<Container> {
  const storages = new StorageTable();
  const persistent = (id: unknown) => storages.refer(id);
  const none: PickleRules = { call: (callee, args) => new Inert(callee, args), persistent: refuseStorage };
  const protocol = await pickleAt(file, legacyMagic.length, none, limits);
  if (protocol.value !== protocolVersion) throw new Malformed("is no checkpoint of a known version");
  const system = await pickleAt(file, protocol.end, none, limits);
  if (!(system.value instanceof Map) || system.value.get("little_endian") !== true) {
    throw new Malformed("was not written on a little-endian machine");
  }
  const tree = await pickleAt(file, system.end, { call: callGlobal, persistent }, limits);
  const keys = await pickleAt(file, tree.end, none, limits);
  const places = await walk(file, keys.end, refsOf(keys.value, storages, limits));
  return {
    root: tree.value,
    place({ key }) {
      const place = places.get(key);
      if (place === undefined)
        return Promise.reject(new Malformed(`lies in storage ${quoted(key)}, which is missing`));
      return Promise.resolve(place);
    },
  };
}

function refuseStorage(): never {
  throw new Malformed("is damaged: it refers to a storage outside its object tree");
}

/** Reads the pickle at `position`, whose length only its own end tells: more of the file at each try. */
async function pickleAt(
  file: RangedFile,
  position: number,
  rules: PickleRules,
  limits: CheckpointLimits,
): Promise<Unpickled & { readonly end: number }> {
  const most = Math.min(file.size - position, limits.pickleBytes);
  for (let length = Math.min(firstRead, most); ; length = Math.min(16 * length, most)) {
    try {
      const read = readPickle(await file.read(position, length), rules, limits);
      return { ...read, end: position + read.bytes };
    } catch (reason) {
      if (!(reason instanceof PickleEnds)) throw reason;
      if (length < most) continue;
      throw most < limits.pickleBytes ? reason : new Malformed(`has an object tree of over ${most} bytes`);
    }
  }
}

function refsOf(keys: unknown, storages: StorageTable, limits: CheckpointLimits): readonly StorageRef[] {
  if (!Array.isArray(keys)) throw new Malformed("is damaged: it has no list of storages");
  if (keys.length > limits.storages)
    throw new Malformed(`has ${keys.length} storages, over ${limits.storages}`);
  return keys.map((key: unknown) => {
    const ref = typeof key === "string" ? storages.get(key) : undefined;
    if (ref === undefined)
      throw new Malformed("has a storage of a kind that is not known, which hides where others start");
    return ref;
  });
}

/** Finds every storage by the counts before them; the last must end the file. */
async function walk(
  file: RangedFile,
  start: number,
  refs: readonly StorageRef[],
): Promise<ReadonlyMap<string, StoragePlace>> {
  const places = new Map<string, StoragePlace>();
  let at = start;
  for (const { key, dtype, whole } of refs) {
    const head = await file.read(at, countBytes);
    const count = new DataView(head.buffer).getBigInt64(0, true);
    if (count !== BigInt(whole)) {
      throw new Malformed(
        `is damaged: storage ${quoted(key)} has ${count.toString()} elements, not ${whole}`,
      );
    }
    if (places.has(key)) throw new Malformed(`is damaged: it has storage ${quoted(key)} twice`);
    const bytes = whole * elementBytes[dtype];
    places.set(key, { position: at + countBytes, bytes, crc: undefined });
    at += countBytes + bytes;
    if (at > file.size)
      throw new Malformed(`is cut short: storage ${quoted(key)} ends at byte ${at} of ${file.size}`);
  }
  if (at !== file.size) throw new Malformed(`is damaged: its storages end at byte ${at} of ${file.size}`);
  return places;
}
