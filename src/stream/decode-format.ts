import { Fault } from "./errors.ts";
import { opusClock } from "./opus-pieces.ts";
import type { AudioFormat, Encoding } from "./ports.ts";
import { encodings, framings } from "./ports.ts";
import { hertz } from "./units.ts";

/** Audio as a client declares it, not yet believed. */
export interface DeclaredFormat {
  readonly encoding: string;
  /** When absent, `packet` for Opus and `raw` for the rest. */
  readonly framing?: string | undefined;
  readonly rate: number;
  readonly channels: number;
}

/** Sample rates of PCM and G.711 that are taken, in Hz. */
export const pcmRates = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000] as const;
/** Sample rates that may be declared for Opus, in Hz: those that it can encode. */
export const opusRates = [8000, 12000, 16000, 24000, 48000] as const;

/**
 * The format as it will be understood: the framing filled in, Opus at its clock of 48,000 Hz.
 * Throws an `unsupported_audio` Fault for what cannot be decoded, naming the field.
 */
export function checkFormat(declared: DeclaredFormat): AudioFormat {
  const encoding = oneOf(encodings, "encoding", declared.encoding);
  const isOpus = encoding === "opus";
  const framing = oneOf(framings, "framing", declared.framing ?? (isOpus ? "packet" : "raw"));
  if (isOpus && framing === "raw") {
    throw unsupported("framing", framing, "Opus packets need framing packet or sequenced");
  }
  oneOf<number>(isOpus ? opusRates : pcmRates, "sample_rate", declared.rate);
  const channels = oneOf([1, 2] as const, "channels", declared.channels);
  return { encoding, framing, rate: clockOf(encoding, declared.rate), channels };
}

const clockOf = (encoding: Encoding, rate: number) => (encoding === "opus" ? opusClock : hertz(rate));

function oneOf<T extends string | number>(allowed: readonly T[], field: string, value: string | number): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw unsupported(field, value, `${field} must be one of ${allowed.join(", ")}`);
}

function unsupported(field: string, value: string | number, message: string): Fault {
  return new Fault("unsupported_audio", message, { details: { field, value } });
}
