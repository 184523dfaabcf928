import { crc32 } from "node:zlib";
import type { Container, StoragePlace } from "./container.ts";
import { elementBytes } from "./dtypes.ts";
import { Malformed, quoted } from "./errors.ts";
import type { CheckpointLimits } from "./limits.ts";
import { readPickle } from "./pickle.ts";
import type { RangedFile } from "./ranged-file.ts";
import { callGlobal, StorageTable } from "./torch-values.ts";
import type { StorageRef } from "./values.ts";
import { dataStart, readZipDirectory, type ZipEntry } from "./zip-directory.ts";

const treeName = "/data.pkl";

/** Opens the archive that PyTorch has written since 1.6: one pickle and a file for each storage. */
export async function openZipContainer(file: RangedFile, limits: CheckpointLimits): Promise<Container> {
  const entries = await readZipDirectory(file, limits);
  const tree = findTree(entries);
  const root = tree.name.slice(0, -treeName.length);
  if (entries.has(`${root}/constants.pkl`)) throw new Malformed("is a TorchScript program, not a checkpoint");
  await refuseBigEndian(file, entries.get(`${root}/byteorder`));
  if (tree.bytes > limits.pickleBytes) {
    throw new Malformed(`has an object tree of ${tree.bytes} bytes, over ${limits.pickleBytes}`);
  }
  const pickle = await file.read(await dataStart(file, tree), tree.bytes);
  if (crc32(pickle) !== tree.crc)
    throw new Malformed("is damaged: its object tree does not match its checksum");
  const storages = new StorageTable();
  const { value } = readPickle(pickle, { call: callGlobal, persistent: (id) => storages.refer(id) }, limits);
  return {
    root: value,
    place: (storage) => placeOf(file, entries.get(`${root}/data/${storage.key}`), storage),
  };
}

function findTree(entries: ReadonlyMap<string, ZipEntry>): ZipEntry {
  const trees = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [tree] = trees;
  if (tree === undefined || trees.length > 1) {
    throw new Malformed(
      `is no checkpoint as PyTorch writes it: an archive with ${trees.length} data.pkl, not 1`,
    );
  }
  return tree;
}

async function refuseBigEndian(file: RangedFile, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return;
  const order = entry.bytes > 16 ? undefined : await file.read(await dataStart(file, entry), entry.bytes);
  const text = order === undefined ? "" : Buffer.from(order).toString("latin1");
  if (text !== "little")
    throw new Malformed(`was written on a machine of byte order ${quoted(text)}, not "little"`);
}

async function placeOf(
  file: RangedFile,
  entry: ZipEntry | undefined,
  { key, dtype, whole }: StorageRef,
): Promise<StoragePlace> {
  if (entry === undefined) throw new Malformed(`lies in storage ${quoted(key)}, which is missing`);
  const bytes = whole * elementBytes[dtype];
  if (entry.bytes !== bytes) {
    throw new Malformed(`lies in storage ${quoted(key)} of ${entry.bytes} bytes, which should have ${bytes}`);
  }
  return { position: await dataStart(file, entry), bytes, crc: entry.crc };
}
