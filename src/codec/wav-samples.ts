import { Fault } from "../stream/errors.ts";
import { readFrames, toPieces, type PcmEncoding } from "../stream/pcm.ts";
import type { Piece } from "../stream/ports.ts";

/** How the samples of a WAV file are stored. */
export interface SampleCoding {
  readonly codec: string;
  /** Of one sample of one channel. */
  readonly bytes: number;
  /** Whole interleaved frames → pieces; copies. */
  read(frames: Uint8Array, channels: readonly number[]): Piece[];
}

const live = (codec: PcmEncoding, bytes: number): SampleCoding => ({
  codec,
  bytes,
  read: (frames, channels) => readFrames(codec, frames, channels),
});

type ReadSample = (view: DataView, at: number) => number;

const offline = (codec: string, bytes: number, sample: ReadSample): SampleCoding => ({
  codec,
  bytes,
  read: (frames, channels) =>
    channels.flatMap((channel, place) => {
      const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
      const stride = bytes * channels.length;
      const block = new Float32Array(frames.length / stride);
      for (let i = 0, at = place * bytes; i < block.length; i++, at += stride) block[i] = sample(view, at);
      return toPieces(channel, block);
    }),
});

const int24: ReadSample = (view, at) =>
  view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getInt8(at + 2) << 16);

/** By format tag; of one tag the bytes of a sample tell them apart. */
const codings = new Map<number, readonly SampleCoding[]>([
  [
    1,
    [
      offline("pcm_u8", 1, (view, at) => (view.getUint8(at) - 128) / 128),
      live("pcm_s16le", 2),
      offline("pcm_s24le", 3, (view, at) => int24(view, at) / 8_388_608),
      offline("pcm_s32le", 4, (view, at) => view.getInt32(at, true) / 2_147_483_648),
    ],
  ],
  [3, [live("pcm_f32le", 4), offline("pcm_f64le", 8, (view, at) => view.getFloat64(at, true))]],
  [6, [live("pcm_alaw", 1)]],
  [7, [live("pcm_mulaw", 1)]],
]);

/** `bytes` a sample of one channel takes; fewer bits than that fill it from the most significant one. */
export function sampleCoding(tag: number, bytes: number): SampleCoding {
  const coding = codings.get(tag)?.find((one) => one.bytes === bytes);
  if (coding !== undefined) return coding;
  const name = `0x${tag.toString(16).padStart(4, "0")}`;
  throw new Fault("unsupported_audio", `WAV format ${name} with ${bytes * 8} bits a sample`);
}
