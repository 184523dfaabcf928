import { setImmediate as nextTurn } from "node:timers/promises";
import { pcmRates } from "../stream/decode-format.ts";
import { Fault } from "../stream/errors.ts";
import { joinBlocks } from "../stream/join.ts";
import type { OpusCodec } from "../stream/opus-pieces.ts";
import type { Piece } from "../stream/ports.ts";
import { resampleTrack } from "../stream/resample-track.ts";
import { hertz, type Hertz } from "../stream/units.ts";
import { damaged, type FileFormat, type FileReader } from "./file-reader.ts";
import { FlacReader } from "./flac.ts";
import { OggOpusReader } from "./ogg-opus.ts";
import { WavReader } from "./wav.ts";

export interface ReadOptions {
  /** Longer recordings are a `message_too_large` Fault as soon as they turn out to be; unlimited when absent. */
  readonly maxSeconds?: number;
  /** Decodes Opus; one for the whole process when absent. */
  readonly opus?: OpusCodec;
}

/** A recording that is being read: its format, then its audio as it is asked for. */
export interface OpenAudio {
  readonly format: FileFormat;
  /** In order per channel. Run it to its end or `return()` it: that is what frees the decoder. Throws Faults. */
  readonly pieces: AsyncGenerator<Piece, void>;
}

/** A whole recording in memory. */
export interface WholeAudio {
  readonly rate: Hertz;
  /** Of one length, in [-1, 1]; NaN where there is a hole, which a session's decoder of `pcm_f32le` makes a gap. */
  readonly channels: readonly Float32Array[];
  readonly codec: string;
}

const detectorRate = hertz(16_000);
const sniffBytes = 12;
const sliceBytes = 64 * 1024;
const maxTurnMs = 5;
const defaultMaxSeconds = 600;

/**
 * Recognises WAV, FLAC and Ogg Opus by their first bytes and reads them piece by piece: memory does not grow with the
 * recording, and no size that a file declares is believed. Throws `unsupported_audio` and `undecodable_audio` Faults.
 */
export async function openAudio(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): Promise<OpenAudio> {
  const pieces = readPieces(source, options);
  const first = await pieces.next();
  if (first.done === true) throw damaged("there is no audio in it");
  const [format, ...early] = [first.value.format, first.value.piece];
  return { format, pieces: limited(early, pieces, format, options.maxSeconds ?? Infinity) };
}

/** Reads a recording of at most `maxSeconds` (600 when absent) into memory; see {@link openAudio}. */
export async function readAudio(content: Uint8Array, options: ReadOptions = {}): Promise<WholeAudio> {
  return await readAudioFrom(slices(content), options);
}

/** {@link readAudio} for bytes that come in parts. */
export async function readAudioFrom(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): Promise<WholeAudio> {
  const { format, pieces } = await openAudio(source, {
    ...options,
    maxSeconds: options.maxSeconds ?? defaultMaxSeconds,
  });
  const tracks = Array.from({ length: format.channels }, () => new Track(format));
  let resumed = performance.now();
  for await (const piece of pieces) {
    tracks[piece.channel]?.add(piece);
    // Decoding is synchronous: a server's other work must get its turn.
    if (performance.now() - resumed < maxTurnMs) continue;
    await nextTurn();
    resumed = performance.now();
  }
  const channels = tracks.map((track) => track.join());
  if (pcmRates.some((rate) => rate === format.rate))
    return { rate: format.rate, channels, codec: format.codec };
  // For rates that no session takes: what a detector would make of them anyway.
  return {
    rate: detectorRate,
    channels: channels.map((track) => resampleTrack(track, format.rate, detectorRate)),
    codec: format.codec,
  };
}

interface Read {
  readonly format: FileFormat;
  readonly piece: Piece;
}

async function* readPieces(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions,
): AsyncGenerator<Read, void> {
  let head = new Uint8Array(0);
  let reader: FileReader | undefined;
  try {
    for await (const chunk of source) {
      let next = chunk;
      if (reader === undefined) {
        head = new Uint8Array(Buffer.concat([head, chunk]));
        if (head.length < sniffBytes) continue;
        reader = await readerFor(head, options);
        next = head;
      }
      yield* withFormat(reader, reader.push(next));
    }
    if (reader === undefined) throw damaged("too short to be a recording");
    yield* withFormat(reader, reader.flush());
  } finally {
    reader?.close();
  }
}

function* withFormat(reader: FileReader, pieces: Iterable<Piece>): Generator<Read> {
  for (const piece of pieces) {
    if (reader.format !== undefined) yield { format: reader.format, piece };
  }
}

async function* limited(
  early: readonly Piece[],
  rest: AsyncGenerator<Read, void>,
  { rate, clock }: FileFormat,
  maxSeconds: number,
): AsyncGenerator<Piece, void> {
  const seconds = [0, 0];
  const counted = (piece: Piece): Piece => {
    const length = piece.kind === "gap" ? piece.length / clock : piece.samples.length / rate;
    const total = (seconds[piece.channel] ?? 0) + length;
    seconds[piece.channel] = total;
    if (total <= maxSeconds) return piece;
    throw new Fault("message_too_large", `the recording is longer than ${maxSeconds} s`, {
      details: { max_seconds: maxSeconds },
    });
  };
  try {
    for (const piece of early) yield counted(piece);
    for await (const { piece } of rest) yield counted(piece);
  } finally {
    await rest.return();
  }
}

const text = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to));

async function readerFor(head: Uint8Array, options: ReadOptions): Promise<FileReader> {
  const magic = text(head, 0, 4);
  if (["RIFF", "RF64", "BW64"].includes(magic) && text(head, 8, 12) === "WAVE") return new WavReader();
  if (magic === "fLaC") return new FlacReader();
  if (magic === "OggS") return new OggOpusReader(options.opus ?? (await sharedOpus()));
  throw new Fault("unsupported_audio", "neither WAV, FLAC nor Ogg Opus");
}

let opusHost: Promise<OpusCodec> | undefined;
async function sharedOpus(): Promise<OpusCodec> {
  opusHost ??= import("./opus-host.ts").then(({ createOpusHost }) => createOpusHost());
  return await opusHost;
}

function* slices(content: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < content.length; at += sliceBytes) yield content.subarray(at, at + sliceBytes);
}

/** One channel, collected. */
class Track {
  readonly #samplesPerTick: number;
  readonly #parts: Float32Array[] = [];
  #length = 0;
  #ticks = 0;

  constructor({ rate, clock }: FileFormat) {
    this.#samplesPerTick = rate / clock;
  }

  add(piece: Piece): void {
    const ticks = piece.kind === "gap" ? piece.length : piece.samples.length / this.#samplesPerTick;
    this.#ticks += ticks;
    const length = Math.round(this.#ticks * this.#samplesPerTick) - this.#length;
    this.#parts.push(piece.kind === "gap" ? new Float32Array(length).fill(NaN) : piece.samples);
    this.#length += piece.kind === "gap" ? length : piece.samples.length;
  }

  join(): Float32Array {
    return joinBlocks(this.#parts);
  }
}
