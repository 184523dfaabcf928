import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readFrames, toPieces } from "./pcm.ts";
import type { Piece } from "./ports.ts";

const heard = (piece: Piece | undefined): number[] => {
  assert.equal(piece?.kind, "audio");
  return [...piece.samples];
};

/** Pieces as plain values: a list of samples, or a hole's length. */
const outline = (pieces: readonly Piece[]) =>
  pieces.map((piece) => (piece.kind === "audio" ? [...piece.samples] : piece.length));

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

/** The same bytes at an odd place of a larger buffer, as sockets give them. */
function misplaced(bytes: Uint8Array): Uint8Array {
  const pool = new Uint8Array(bytes.length + 8).fill(0xaa);
  pool.set(bytes, 3);
  return pool.subarray(3, 3 + bytes.length);
}

describe("readFrames", () => {
  it("reads little-endian 16-bit samples, the lowest as -1", () => {
    const bytes = Uint8Array.of(0x00, 0x80, 0xff, 0x7f, 0x00, 0x00, 0x00, 0x40, 0xff, 0xff);
    const [piece] = readFrames("pcm_s16le", misplaced(bytes), [0]);
    assert.deepEqual(heard(piece), [-1, 32767 / 32768, 0, 0.5, -1 / 32768]);
  });

  it("reads 32-bit floats from an odd offset", () => {
    const [piece] = readFrames("pcm_f32le", misplaced(floats(0.25, -0.5, 1)), [0]);
    assert.deepEqual(heard(piece), [0.25, -0.5, 1]);
  });

  it("reads both laws of G.711", () => {
    assert.deepEqual(heard(readFrames("pcm_mulaw", Uint8Array.of(0, 255), [0])[0]), [-32124 / 32768, 0]);
    assert.deepEqual(heard(readFrames("pcm_alaw", Uint8Array.of(0xd5, 0x2a), [0])[0]), [
      8 / 32768,
      -32256 / 32768,
    ]);
  });

  it("takes interleaved channels apart in every encoding", () => {
    const bytes = Uint8Array.from({ length: 48 }, (_, i) => (i * 37) % 128);
    for (const encoding of ["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"] as const) {
      const interleaved = heard(readFrames(encoding, bytes, [0])[0]);
      const pieces = readFrames(encoding, bytes, [0, 1]);
      assert.deepEqual(
        pieces.map((piece) => piece.channel),
        [0, 1],
      );
      for (const place of [0, 1]) {
        assert.deepEqual(
          heard(pieces[place]),
          interleaved.filter((_, i) => i % 2 === place),
          encoding,
        );
      }
    }
  });

  it("keeps nothing of the chunk", () => {
    const bytes = Uint8Array.of(0x00, 0x40, 0x00, 0x20);
    const [piece] = readFrames("pcm_s16le", bytes, [0]);
    bytes.fill(0);
    assert.deepEqual(heard(piece), [0.5, 0.25]);
  });

  it("makes gaps of what is not finite, on its channel alone", () => {
    const pieces = readFrames("pcm_f32le", floats(0.5, NaN, 0.5, 0.25), [0, 1]);
    assert.deepEqual(pieces.map(({ kind, channel }) => ({ kind, channel })).slice(0, 1), [
      { kind: "audio", channel: 0 },
    ]);
    assert.deepEqual(outline(pieces), [[0.5, 0.5], 1, [0.25]]);
    assert.equal(pieces[1]?.channel, 1);
  });

  it("gives no piece for no bytes", () => {
    for (const encoding of ["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"] as const) {
      assert.deepEqual(readFrames(encoding, new Uint8Array(0), [0, 1]), []);
    }
  });
});

describe("toPieces", () => {
  it("clamps what is louder than full scale", () => {
    assert.deepEqual(outline(toPieces(0, Float32Array.of(1.5, -7, 1, -1, 3e38))), [[1, -1, 1, -1, 1]]);
  });

  it("makes one gap of each run of NaN and infinities, and keeps the finite samples around it", () => {
    const pieces = toPieces(1, Float32Array.of(NaN, Infinity, 0.5, -Infinity, 0.25, 2, NaN));
    assert.deepEqual(outline(pieces), [2, [0.5], 1, [0.25, 1], 1]);
    for (const piece of pieces) {
      assert.equal(piece.channel, 1);
      if (piece.kind === "gap") assert.equal(piece.cause, "undecodable");
    }
  });

  it("gives each stretch a buffer of its own", () => {
    const [before, , after] = toPieces(0, Float32Array.of(0.5, NaN, 0.25));
    assert.ok(before?.kind === "audio" && after?.kind === "audio");
    assert.notEqual(before.samples.buffer, after.samples.buffer);
  });
});
