import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseManifest, toSpec, type Manifest } from "../../src/models/manifest.ts";
import { isFile, verifyFile } from "../../src/models/store.ts";
import type { CodeSpec, DetectorSpec } from "../../src/stream/ports.ts";

/** Of a pack, what turns audio into codes. */
export interface EdgePack {
  readonly spec: DetectorSpec;
  /** Of what is sent: every stage but the first, semantic one. */
  readonly codes: CodeSpec;
  readonly tokenizerPath: string;
}

/**
 * Reads a pack's manifest and verifies those of its files that are there. Throws an Error for a pack without a tokenizer, and for
 * files that are not what the manifest says.
 */
export async function readEdgePack(folder: string): Promise<EdgePack> {
  const manifest = parseManifest(JSON.parse(await readFile(join(folder, "model.json"), "utf8")));
  const { codec, files } = manifest;
  if (codec === undefined) throw new Error(`${folder} has no tokenizer: it cannot make codes of audio`);
  for (const [file, expected] of Object.entries(files)) {
    const path = join(folder, file);
    if (file === codec.tokenizer || (await isFile(path))) await verifyFile(file, path, expected);
  }
  const tokenizerPath = join(folder, codec.tokenizer);
  return { spec: toSpec(manifest), codes: toCodeSpec(manifest, codec), tokenizerPath };
}

function toCodeSpec({ window_samples }: Manifest, codec: NonNullable<Manifest["codec"]>): CodeSpec {
  const { stages, codes, frame_samples } = codec;
  const frames = Math.ceil(window_samples / frame_samples);
  return { stages: stages - 1, choices: codes, frameSamples: frame_samples, frames };
}
