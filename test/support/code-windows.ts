import { writeCodeWindow } from "../../src/stream/code-window.ts";
import type { CodeSpec, DetectorSpec } from "../../src/stream/ports.ts";
import { samples } from "../../src/stream/units.ts";
import { fakeSpec } from "./fakes.ts";

/** As the published SafeEar has them. */
export const publishedCodes: CodeSpec = { stages: 7, choices: 1024, frameSamples: 320, frames: 202 };

/** A detector's shape that takes codes, with windows of 64,600 samples. */
export const codesSpec = (overrides: Partial<DetectorSpec> = {}): DetectorSpec =>
  fakeSpec({ window: samples(64_600), codes: publishedCodes, ...overrides });

/** A `start` that says so. */
export const codesStart = { audio: { encoding: "safeear_codes", channels: 1 } };

/** Codes of one value. */
export const codesOf = (value: number): Int32Array => new Int32Array(7 * 202).fill(value);

/** A window's message: the `index`th one, a second after the one before it, of nothing but speech, unless said otherwise. */
export function codeMessage(
  index: number,
  { start = index * 16_000, speechMs = 4037, value = index, spec = publishedCodes } = {},
): Uint8Array {
  return writeCodeWindow({ index, start, speechMs, codes: codesOf(value) }, spec);
}
