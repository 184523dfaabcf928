import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseManifest, type Manifest } from "../manifest.ts";
import { packName } from "../store.ts";

/** Where a pack is to be, and whether it may take the place of another. */
export interface PackTarget {
  /** The folder that holds packs; made where it is missing. */
  readonly folder: string;
  /** The pack's name: its folder's, and its manifest's id. */
  readonly name: string;
  /** Takes the place of a pack of that name; without it there must be none. */
  readonly replace?: boolean;
}

/** A manifest but for what follows from the target and the files. */
export type PackDescription = Omit<Manifest, "format" | "id" | "files">;

/** How an imported model's evidence is read until it is calibrated: as the shipped pack's is. */
export const defaultDetection: Manifest["detection"] = {
  prior: 0.5,
  llr_bound: 4,
  half_life_s: 20,
  min_speech_ms: 2000,
  thresholds: { suspect: 0.8, spoof: 0.95, bonafide: 0.2, suspect_exit: 0.5, spoof_exit: 0.8 },
};

/** A pack cannot be put where it was to go; the message says why. */
export class PackTargetError extends Error {
  override readonly name = "PackTargetError";
}

/**
 * Writes a pack whole or not at all, and gives its folder: files and manifest come to be beside the target and go
 * there by one rename. `writeFiles` puts files into the folder it is given and names them. Throws
 * {@link PackTargetError} where the name is none or taken, an Error where the manifest would not be valid.
 */
export async function writePack(
  target: PackTarget,
  description: PackDescription,
  writeFiles: (folder: string) => Promise<readonly string[]>,
): Promise<string> {
  if (!packName.test(target.name)) {
    throw new PackTargetError(`not a name for a model pack: ${JSON.stringify(target.name)}`);
  }
  const place = join(target.folder, target.name);
  if (target.replace !== true) await refuseTaken(target, place);
  // A dot keeps it out of every list of packs.
  const draft = join(target.folder, `.${target.name}-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  try {
    const files: Manifest["files"] = {};
    for (const file of await writeFiles(draft)) files[file] = await fingerprint(join(draft, file));
    const manifest = parseManifest({ format: 1, id: target.name, ...description, files });
    await writeFile(join(draft, "model.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
    if (target.replace === true) await setAside(place, `${draft}.old`);
    await rename(draft, place);
  } catch (reason) {
    await rm(draft, { recursive: true, force: true });
    throw reason;
  } finally {
    await rm(`${draft}.old`, { recursive: true, force: true });
  }
  return place;
}

async function refuseTaken({ name, folder }: PackTarget, place: string): Promise<void> {
  try {
    await access(place);
  } catch {
    return;
  }
  throw new PackTargetError(`there is a model pack called ${name} in ${folder} already`);
}

async function setAside(place: string, aside: string): Promise<void> {
  try {
    await rename(place, aside);
  } catch (reason) {
    if (!(reason instanceof Error && "code" in reason && reason.code === "ENOENT")) throw reason;
  }
}

async function fingerprint(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return { sha256: hash.digest("hex"), bytes: (await stat(path)).size };
}
