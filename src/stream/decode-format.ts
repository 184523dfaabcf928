import { Fault } from "./errors.ts";
import { opusClock } from "./opus-pieces.ts";
import type { AudioFormat, CodesFormat, Encoding, SourceFormat } from "./ports.ts";
import { codesEncoding, encodings, framings, sourceEncodings } from "./ports.ts";
import { hertz } from "./units.ts";

/** Audio as a client declares it, not yet believed. */
export interface DeclaredFormat {
  readonly encoding: string;
  /** When absent, `packet` for Opus and codes, `raw` for the rest. */
  readonly framing?: string | undefined;
  readonly rate: number;
  readonly channels: number;
}

/** Sample rates of PCM and G.711 that are taken, in Hz. */
export const pcmRates = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000] as const;
/** Sample rates that may be declared for Opus, in Hz: those that it can encode. */
export const opusRates = [8000, 12000, 16000, 24000, 48000] as const;
/** Sample rate of the audio that codes stand for, in Hz. */
export const codesRate = 16_000;

/** As {@link checkFormat}, of what need not be sound. */
export function checkSource(declared: DeclaredFormat): SourceFormat {
  const encoding = oneOf(sourceEncodings, "encoding", declared.encoding);
  return encoding === codesEncoding ? checkCodes(declared) : checkFormat(declared);
}

/** One message is one window of one channel: there is nothing to cut, to reorder or to tell apart. */
function checkCodes({ framing, rate, channels }: DeclaredFormat): CodesFormat {
  const says = (field: string, value: string) => `${field} of ${codesEncoding} must be ${value}`;
  if ((framing ?? "packet") !== "packet")
    throw unsupported("framing", framing ?? "", says("framing", "packet"));
  if (rate !== codesRate) throw unsupported("sample_rate", rate, says("sample_rate", String(codesRate)));
  if (channels !== 1) throw unsupported("channels", channels, says("channels", "1, a session for each"));
  return { encoding: codesEncoding, framing: "packet", rate: hertz(codesRate), channels: 1 };
}

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
