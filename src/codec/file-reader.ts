import { Fault } from "../stream/errors.ts";
import type { Piece } from "../stream/ports.ts";
import { greatestCommonDivisor } from "../stream/resample.ts";
import { hertz, type Hertz } from "../stream/units.ts";

/** What a recording's header says, once it has been believed. */
export interface FileFormat {
  /** Rate of the samples that come out. */
  readonly rate: Hertz;
  /** What the lengths of gaps count: a whole multiple of `rate`. */
  readonly clock: Hertz;
  readonly channels: 1 | 2;
  /** The encoding's name, as in `pcm_s16le`, `flac`, `opus`. */
  readonly codec: string;
}

/**
 * Bytes of one recording → pieces of its channels' timelines, as a live stream's decoder gives them. Any split of the
 * bytes gives the same audio. Both generators must be run to their end, and throw `unsupported_audio` and
 * `undecodable_audio` Faults; a file that merely stops too early gives what it has.
 */
export interface FileReader {
  /** Known at the latest when the first piece comes. */
  readonly format: FileFormat | undefined;
  push(chunk: Uint8Array): Iterable<Piece>;
  flush(): Iterable<Piece>;
  /** Idempotent. */
  close(): void;
}

const minRate = 4000;
const maxRate = 192_000;
/** A resampler's filters number its rates' least common multiple over the source's: all usual rates lie far below. */
const maxPhases = 2000;
const detectorRate = 16_000;

/** Throws `unsupported_audio` for what cannot be scored. */
export function fileFormat(rate: number, channels: number, codec: string): FileFormat {
  if (channels !== 1 && channels !== 2) {
    throw new Fault("unsupported_audio", `${channels} channels: only 1 and 2 are supported`);
  }
  if (
    rate < minRate ||
    rate > maxRate ||
    detectorRate / greatestCommonDivisor(rate, detectorRate) > maxPhases
  ) {
    throw new Fault("unsupported_audio", `a sample rate of ${rate} Hz is not supported`);
  }
  return { rate: hertz(rate), clock: hertz(rate), channels, codec };
}

export const damaged = (what: string): Fault => new Fault("undecodable_audio", what);
