import type { Encoding } from "./events.ts";
import { encodeAlaw, encodeMulaw } from "./g711-encode.ts";
import type { OpusEncoder, OpusEncoderOptions } from "./opus-encoder.ts";

export interface EncoderOptions {
  readonly encoding: Encoding;
  /** Of the samples handed in, in Hz. */
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  /** Audio in one chunk, in milliseconds; for Opus 2.5, 5, 10, 20, 40, 60, 80, 100 or 120. 20 by default. */
  readonly frameMs?: number;
  /** Opus only. */
  readonly opus?: Pick<OpusEncoderOptions, "bitrate" | "dtx" | "fec">;
}

/** One stream's encoder: samples in, chunks for `send` out. Any split of the samples gives the same chunks. */
export interface Encoder {
  /** `channels[c]` are samples of channel c in [-1, 1], all of one length. Throws RangeError when they are not. */
  encode(channels: readonly Float32Array[]): Uint8Array[];
  /** What was left of a last frame; Opus fills it up with silence. */
  flush(): Uint8Array[];
  /** Idempotent. */
  close(): void;
}

/** Rejects for a rate or frame that Opus does not have, and where its codec cannot be loaded. */
export async function createEncoder(options: EncoderOptions): Promise<Encoder> {
  const { encoding, sampleRate, channels, frameMs = 20 } = options;
  const frame = Math.max(1, Math.round((sampleRate * frameMs) / 1000));
  if (encoding !== "opus") return new FrameEncoder(channels, frame, encoders[encoding], false);
  // Loaded only when asked for: the codec is an optional package.
  const { createOpusEncoder } = await import("./opus-encoder.ts");
  const opus = await createOpusEncoder({
    ...options.opus,
    rate: oneOf(opusRates, sampleRate, "sampleRate"),
    channels,
    frameMs: oneOf(opusFrames, frameMs, "frameMs"),
  });
  return new FrameEncoder(channels, frame, (samples) => opus.encode(toInt16(samples)), true, opus);
}

const opusRates = [8000, 12000, 16000, 24000, 48000] as const;
const opusFrames = [2.5, 5, 10, 20, 40, 60, 80, 100, 120] as const;

function oneOf<T extends number>(allowed: readonly T[], value: number, name: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new RangeError(`${name} must be one of ${allowed.join(", ")}, not ${value}`);
  return found;
}

const encoders: Readonly<Record<Exclude<Encoding, "opus">, (samples: Float32Array) => Uint8Array>> = {
  pcm_s16le: (samples) => {
    const bytes = new DataView(new ArrayBuffer(samples.length * 2));
    const rounded = toInt16(samples);
    for (let i = 0; i < rounded.length; i += 1) bytes.setInt16(i * 2, rounded[i] ?? 0, true);
    return new Uint8Array(bytes.buffer);
  },
  pcm_f32le: (samples) => {
    const bytes = new DataView(new ArrayBuffer(samples.length * 4));
    for (let i = 0; i < samples.length; i += 1) bytes.setFloat32(i * 4, samples[i] ?? 0, true);
    return new Uint8Array(bytes.buffer);
  },
  pcm_mulaw: encodeMulaw,
  pcm_alaw: encodeAlaw,
};

function toInt16(samples: Float32Array): Int16Array {
  const rounded = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    rounded[i] = Math.max(-32_768, Math.min(32_767, Math.round((samples[i] ?? 0) * 32_768)));
  }
  return rounded;
}

class FrameEncoder implements Encoder {
  readonly #channels: number;
  /** Interleaved samples of the frame that is being filled. */
  readonly #frame: Float32Array;
  readonly #encode: (samples: Float32Array) => Uint8Array;
  readonly #wholeFrames: boolean;
  readonly #codec: OpusEncoder | undefined;
  #filled = 0;

  constructor(
    channels: number,
    frameLength: number,
    encode: (samples: Float32Array) => Uint8Array,
    wholeFrames: boolean,
    codec?: OpusEncoder,
  ) {
    this.#channels = channels;
    this.#frame = new Float32Array(frameLength * channels);
    this.#encode = encode;
    this.#wholeFrames = wholeFrames;
    this.#codec = codec;
  }

  encode(channels: readonly Float32Array[]): Uint8Array[] {
    const length = channels[0]?.length ?? 0;
    if (channels.length !== this.#channels || channels.some((samples) => samples.length !== length)) {
      throw new RangeError(`needs ${this.#channels} channels of one length`);
    }
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < length; i += 1) {
      for (let c = 0; c < this.#channels; c += 1) {
        this.#frame[this.#filled] = channels[c]?.[i] ?? 0;
        this.#filled += 1;
      }
      if (this.#filled === this.#frame.length) chunks.push(this.#emit());
    }
    return chunks;
  }

  flush(): Uint8Array[] {
    if (this.#filled === 0) return [];
    if (!this.#wholeFrames) return [this.#emit()];
    this.#frame.fill(0, this.#filled);
    this.#filled = this.#frame.length;
    return [this.#emit()];
  }

  close(): void {
    this.#codec?.close();
  }

  #emit(): Uint8Array {
    const chunk = this.#encode(this.#frame.subarray(0, this.#filled));
    this.#filled = 0;
    return chunk;
  }
}
