import { alawSamples, mulawSamples } from "./g711.ts";
import type { Encoding, Piece } from "./ports.ts";
import { samples } from "./units.ts";

/** Encodings in which every sample has the same number of bytes. */
export type PcmEncoding = Exclude<Encoding, "opus">;

export const bytesPerSample = {
  pcm_s16le: 2,
  pcm_f32le: 4,
  pcm_mulaw: 1,
  pcm_alaw: 1,
} as const satisfies Record<PcmEncoding, number>;

/**
 * Whole interleaved frames → one piece, or several, per channel and in the order of `channels`, which names the
 * channels of a frame. Copies: `bytes` may lie anywhere in any buffer.
 */
export function readFrames(encoding: PcmEncoding, bytes: Uint8Array, channels: readonly number[]): Piece[] {
  return channels.flatMap((channel, place) => {
    const block = readChannel(encoding, bytes, place, channels.length);
    return encoding === "pcm_f32le" ? toPieces(channel, block) : audio(channel, block);
  });
}

/**
 * Samples from outside → pieces in [-1, 1]: louder ones are clamped, and each run of NaN or infinite ones is a gap.
 * Takes ownership of `block`.
 */
export function toPieces(channel: number, block: Float32Array): Piece[] {
  const pieces: Piece[] = [];
  for (let start = 0; start < block.length;) {
    const sound = clampWhileFinite(block, start);
    if (sound - start === block.length) return audio(channel, block);
    pieces.push(...audio(channel, block.slice(start, sound)));
    start = endOfNonFinite(block, sound);
    if (start > sound) {
      pieces.push({ kind: "gap", channel, length: samples(start - sound), cause: "undecodable" });
    }
  }
  return pieces;
}

const audio = (channel: number, block: Float32Array): Piece[] =>
  block.length === 0 ? [] : [{ kind: "audio", channel, samples: block }];

/** Clamps from `start` on; returns the index of the first sample that is not finite. */
function clampWhileFinite(block: Float32Array, start: number): number {
  let i = start;
  for (; i < block.length; i++) {
    const sample = block[i] ?? 0;
    if (!Number.isFinite(sample)) break;
    if (sample > 1) block[i] = 1;
    else if (sample < -1) block[i] = -1;
  }
  return i;
}

function endOfNonFinite(block: Float32Array, start: number): number {
  let i = start;
  while (i < block.length && !Number.isFinite(block[i])) i++;
  return i;
}

function readChannel(encoding: PcmEncoding, bytes: Uint8Array, place: number, stride: number): Float32Array {
  switch (encoding) {
    case "pcm_s16le":
      return readInt16(bytes, place, stride);
    case "pcm_f32le":
      return readFloat32(bytes, place, stride);
    case "pcm_mulaw":
      return readTable(mulawSamples, bytes, place, stride);
    case "pcm_alaw":
      return readTable(alawSamples, bytes, place, stride);
  }
}

function readInt16(bytes: Uint8Array, place: number, stride: number): Float32Array {
  const block = new Float32Array(bytes.length / (2 * stride));
  for (let i = 0, at = 2 * place; i < block.length; i++, at += 2 * stride) {
    // The shifts carry bit 15 into the sign.
    block[i] = ((((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)) << 16) >> 16) / 32768;
  }
  return block;
}

function readFloat32(bytes: Uint8Array, place: number, stride: number): Float32Array {
  const block = new Float32Array(bytes.length / (4 * stride));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0, at = 4 * place; i < block.length; i++, at += 4 * stride) {
    block[i] = view.getFloat32(at, true);
  }
  return block;
}

function readTable(table: Float32Array, bytes: Uint8Array, place: number, stride: number): Float32Array {
  const block = new Float32Array(bytes.length / stride);
  for (let i = 0, at = place; i < block.length; i++, at += stride) block[i] = table[bytes[at] ?? 0] ?? 0;
  return block;
}
