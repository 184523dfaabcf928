import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { DetectorSpec } from "../stream/ports.ts";
import { digestOf, modelFile, parseManifest, toSpec, type Manifest } from "./manifest.ts";

/** A model pack whose files are what its manifest says. */
export interface Pack {
  readonly folder: string;
  readonly modelPath: string;
  readonly manifest: Manifest;
  readonly spec: DetectorSpec;
}

/** One line of `earwitness models`; a pack that cannot be served says why. */
export type PackListing =
  | {
      readonly id: string;
      readonly folder: string;
      readonly family: string;
      readonly version: string;
      readonly digest: string;
      readonly calibrationId: string | undefined;
      /** What it was imported without, where nothing can be scored for that. */
      readonly lacks?: string;
      /** Sum over the pack's files. */
      readonly bytes: number;
    }
  | { readonly id: string; readonly folder: string; readonly error: string };

/** What a pack may be called. */
export const packName = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const manifestBytes = 1 << 20;

/**
 * Opens the first pack called `name` in `folders` and verifies the size and SHA-256 of each of its files.
 * Throws an Error that names what is missing or differs; nothing else is tried then.
 */
export async function openPack(name: string, folders: readonly string[]): Promise<Pack> {
  if (!packName.test(name)) throw new Error(`not the name of a model pack: ${JSON.stringify(name)}`);
  for (const parent of folders) {
    const folder = join(parent, name);
    if (await isFile(join(folder, "model.json"))) return verify(name, folder);
  }
  const where = folders.join(", ") || "no folder at all";
  throw new Error(`no model pack called ${name} in ${where}${await tokenizerAlone(name, folders)}`);
}

/** What an import calls the pack that it makes of a model's tokenizer, where there is no more of it. */
export const tokenizerName = (name: string): string => `${name}-tokenizer`;

/** Says which file a model lacks of which there is the tokenizer. */
async function tokenizerAlone(name: string, folders: readonly string[]): Promise<string> {
  const alone = tokenizerName(name);
  for (const folder of folders) {
    const manifest = await readManifest(join(folder, alone, "model.json")).catch(() => undefined);
    const output = manifest?.output;
    if (output?.form === "codes") return `; ${alone} is there, which was imported without ${output.lacks}`;
  }
  return "";
}

/** Every pack in `folders`, the first of a name winning as in {@link openPack}; sorted by id. Broken ones carry their error. */
export async function listPacks(folders: readonly string[]): Promise<readonly PackListing[]> {
  const found = new Map<string, PackListing>();
  for (const parent of folders) {
    for (const id of await subfolders(parent)) {
      const folder = join(parent, id);
      if (found.has(id) || !packName.test(id) || !(await isFile(join(folder, "model.json")))) continue;
      found.set(id, await listing(id, folder));
    }
  }
  return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function listing(id: string, folder: string): Promise<PackListing> {
  try {
    const { manifest } = await verify(id, folder);
    return {
      id,
      folder,
      family: manifest.family,
      version: manifest.version,
      digest: digestOf(manifest.files),
      calibrationId: manifest.calibration?.id,
      ...(manifest.output.form === "codes" ? { lacks: manifest.output.lacks } : {}),
      bytes: Object.values(manifest.files).reduce((sum, file) => sum + file.bytes, 0),
    };
  } catch (reason) {
    return { id, folder, error: reason instanceof Error ? reason.message : String(reason) };
  }
}

async function verify(name: string, folder: string): Promise<Pack> {
  const manifest = await readManifest(join(folder, "model.json"));
  if (manifest.id !== name)
    throw new Error(`model pack ${name} calls itself ${manifest.id} in its model.json`);
  for (const [file, expected] of Object.entries(manifest.files)) {
    await verifyFile(`${file} of model pack ${name}`, join(folder, file), expected);
  }
  return { folder, modelPath: join(folder, modelFile), manifest, spec: toSpec(manifest) };
}

async function readManifest(path: string): Promise<Manifest> {
  const { size } = await stat(path);
  if (size > manifestBytes) throw new Error(`${path} is larger than ${manifestBytes} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new Error(`${path} is not JSON`, { cause });
  }
  return parseManifest(json);
}

/** Rejects with an Error that calls the file `what` and says how it is not the expected one. */
export async function verifyFile(
  what: string,
  path: string,
  expected: { bytes: number; sha256: string },
): Promise<void> {
  if (!(await isFile(path))) throw new Error(`${what} is missing: ${path}`);
  const { size } = await stat(path);
  if (size !== expected.bytes)
    throw new Error(`${what} has ${size} bytes, its manifest says ${expected.bytes}`);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const actual = hash.digest("hex");
  if (actual !== expected.sha256) {
    throw new Error(`${what} has SHA-256 ${actual}, its manifest says ${expected.sha256}`);
  }
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** A folder that is not there holds no packs: the user's own need not exist. */
async function subfolders(parent: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(parent, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
