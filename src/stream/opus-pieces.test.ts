import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fault } from "./errors.ts";
import { parseOpusPacket } from "./opus-packet.ts";
import type { OpusStream } from "./opus-pieces.ts";
import { OpusPackets, PacketHealth } from "./opus-pieces.ts";
import type { Piece } from "./ports.ts";
import { samples } from "./units.ts";

/** First bytes (RFC 6716 §3.1) of packets by their duration in units of 2.5 ms. */
const tocs: Readonly<Record<number, number>> = {
  1: 28 << 3,
  2: 29 << 3,
  4: 30 << 3,
  8: 31 << 3,
  16: 10 << 3,
  24: 11 << 3,
  48: (11 << 3) | 1,
};
const kinds = ["sound", "broken", "odd"] as const;

/** A packet as {@link FakeStream} understands it; its samples start at level / 4. */
const packet = (units: number, kind: (typeof kinds)[number] = "sound", level = 1): Uint8Array =>
  Uint8Array.of(tocs[units] ?? 0, kinds.indexOf(kind), level, 0, 0);
const dtxPacket = (level: number): Uint8Array => Uint8Array.of(tocs[8] ?? 0, level);
/** It claims to hold no frame. */
const shapeless = Uint8Array.of(3, 0, 5, 0, 0);

class FakeStream implements OpusStream {
  readonly heard: number[] = [];
  closed = 0;
  readonly channels: number;

  constructor(channels: number) {
    this.channels = channels;
  }

  decode(bytes: Uint8Array): readonly Float32Array[] | undefined {
    const [kind = 0, level = 0] = bytes.length === 2 ? [0, bytes[1]] : bytes.subarray(1);
    this.heard.push(level);
    if (kind === 1) return undefined;
    const length = (parseOpusPacket(bytes)?.duration ?? 960) / 3 + (kind === 2 ? 1 : 0);
    return Array.from({ length: this.channels }, (_, channel) =>
      Float32Array.from({ length }, (_, i) => level / 4 + channel + i / 65536),
    );
  }

  close(): void {
    this.closed++;
  }
}

function open(channels: readonly number[] = [0]) {
  const stream = new FakeStream(channels.length);
  const reader = new OpusPackets(stream, channels, new PacketHealth());
  const read = (bytes: Uint8Array, overlap = 0) =>
    reader.read(bytes, reader.duration(bytes), samples(overlap));
  return { stream, reader, read };
}

const told = (pieces: readonly Piece[]): string[] =>
  pieces.map((piece) =>
    piece.kind === "audio"
      ? `${piece.channel}: ${piece.samples.length} from ${(piece.samples[0] ?? NaN) * 65536}`
      : `${piece.channel}: ${piece.length} ${piece.cause}`,
  );

describe("OpusPackets", () => {
  it("gives a packet's audio at 16 kHz, whatever its duration", () => {
    const { read } = open();
    for (const units of [1, 2, 4, 8, 16, 24, 48]) {
      assert.deepEqual(told(read(packet(units))), [`0: ${units * 40} from 16384`]);
    }
  });

  it("gives both channels of a stereo stream, clamped", () => {
    const [left, right] = open([0, 1]).read(packet(8));
    assert.ok(left?.kind === "audio" && right?.kind === "audio");
    assert.deepEqual([left.channel, left.samples[0], right.channel], [0, 0.25, 1]);
    assert.ok(right.samples.every((x) => x === 1));
  });

  it("makes a broken packet a gap as long as it claims to be, on every channel", () => {
    assert.deepEqual(told(open([0, 1]).read(packet(16, "broken"))), [
      "0: 1920 undecodable",
      "1: 1920 undecodable",
    ]);
  });

  it("takes the previous packet's duration when a packet claims none, 20 ms at first", () => {
    const { read } = open();
    assert.deepEqual(told(read(shapeless)), ["0: 960 undecodable"]);
    read(packet(24));
    assert.deepEqual(told(read(shapeless)), ["0: 2880 undecodable"]);
  });

  it("does not believe a decoder that gives another length than was claimed", () => {
    assert.deepEqual(told(open().read(packet(8, "odd"))), ["0: 960 undecodable"]);
  });

  it("makes a DTX packet a gap, and lets the decoder hear it", () => {
    const { read, stream } = open();
    assert.deepEqual(told(read(dtxPacket(7))), ["0: 960 dtx"]);
    assert.deepEqual(stream.heard, [7]);
  });

  it("ignores an empty packet", () => {
    const { read, stream, reader } = open();
    assert.equal(reader.duration(new Uint8Array(0)), 0);
    assert.deepEqual(read(new Uint8Array(0)), []);
    assert.deepEqual(stream.heard, []);
  });

  it("does not give again what was covered already, and lets the decoder hear it", () => {
    const { read, stream } = open();
    assert.deepEqual(told(read(packet(8), 240)), [`0: 240 from ${16384 + 80}`]);
    assert.deepEqual(told(read(packet(8), 241)), ["0: 2 loss", `0: 239 from ${16384 + 81}`]);
    assert.deepEqual(told(read(packet(8), 960)), []);
    assert.deepEqual(told(read(dtxPacket(1), 300)), ["0: 660 dtx"]);
    assert.deepEqual(told(read(packet(8, "broken"), 960)), []);
    assert.equal(stream.heard.length, 5);
  });

  it("closes its decoder once", () => {
    const { reader, stream } = open();
    reader.close();
    reader.close();
    assert.equal(stream.closed, 1);
  });
});

describe("PacketHealth", () => {
  const isUndecodable = (error: unknown) => error instanceof Fault && error.code === "undecodable_audio";

  it("judges from the fiftieth packet on", () => {
    const health = new PacketHealth();
    for (let n = 0; n < 49; n++) health.add(true);
    assert.throws(() => {
      health.add(true);
    }, isUndecodable);
  });

  it("bears half of the last fifty being broken, and no more", () => {
    const health = new PacketHealth();
    for (let n = 0; n < 500; n++) health.add(n % 2 === 0);
    assert.throws(() => {
      health.add(true);
      health.add(true);
    }, isUndecodable);
  });

  it("forgets what lies further back than fifty packets", () => {
    const health = new PacketHealth();
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 25; n++) health.add(true);
      for (let n = 0; n < 25; n++) health.add(false);
    }
    for (let n = 0; n < 25; n++) health.add(true);
    assert.throws(() => {
      health.add(true);
    }, isUndecodable);
  });
});
