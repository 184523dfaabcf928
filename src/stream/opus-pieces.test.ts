import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fault } from "./errors.ts";
import type { OpusStream, OutlinePacket } from "./opus-pieces.ts";
import { OpusPackets, PacketHealth } from "./opus-pieces.ts";
import type { Piece } from "./ports.ts";
import { samples } from "./units.ts";

/** A packet of this suite: how many 2.5 ms it claims (255: nothing), what it is, and the level it decodes to. */
const packet = (units: number, kind: "sound" | "dtx" | "broken" | "odd" = "sound", level = 1): Uint8Array =>
  Uint8Array.of(units, ["sound", "dtx", "broken", "odd"].indexOf(kind), level);

const outline: OutlinePacket = ([units = 255, kind]) =>
  units === 255 ? undefined : { duration: samples(units * 120), isDtx: kind === 1 };

class FakeStream implements OpusStream {
  readonly heard: number[] = [];
  closed = 0;
  readonly channels: number;

  constructor(channels: number) {
    this.channels = channels;
  }

  decode([units = 0, kind = 0, level = 0]: Uint8Array): readonly Float32Array[] | undefined {
    this.heard.push(level);
    if (kind === 2) return undefined;
    const length = units * 40 + (kind === 3 ? 1 : 0);
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
  const reader = new OpusPackets(stream, channels, outline, new PacketHealth());
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
    assert.deepEqual(told(read(packet(255, "broken"))), ["0: 960 undecodable"]);
    read(packet(24));
    assert.deepEqual(told(read(packet(255, "broken"))), ["0: 2880 undecodable"]);
  });

  it("does not believe a decoder that gives another length than was claimed", () => {
    assert.deepEqual(told(open().read(packet(8, "odd"))), ["0: 960 undecodable"]);
    assert.deepEqual(told(open().read(packet(255))), ["0: 960 undecodable"]);
  });

  it("makes a DTX packet a gap, and lets the decoder hear it", () => {
    const { read, stream } = open();
    assert.deepEqual(told(read(packet(8, "dtx", 7))), ["0: 960 dtx"]);
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
    assert.deepEqual(told(read(packet(8, "dtx"), 300)), ["0: 660 dtx"]);
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
