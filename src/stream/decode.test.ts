import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkFormat, opusRates, pcmRates } from "./decode-format.ts";
import { createDecoder } from "./decode.ts";
import { Fault } from "./errors.ts";
import { parseOpusPacket } from "./opus-packet.ts";
import type { OpusCodec } from "./opus-pieces.ts";
import type { AudioFormat, Decoder, Piece } from "./ports.ts";
import { encodings, framings } from "./ports.ts";
import { hertz } from "./units.ts";

type Run = { readonly audio: number[] } | { readonly gap: number; readonly cause: string };

/** A channel's pieces with neighbours of a kind joined: what no split may change. */
function timeline(pieces: readonly Piece[], channel: number): Run[] {
  const runs: Run[] = [];
  for (const piece of pieces.filter((candidate) => candidate.channel === channel)) {
    const last = runs.at(-1);
    if (piece.kind === "audio") {
      if (last !== undefined && "audio" in last) last.audio.push(...piece.samples);
      else runs.push({ audio: [...piece.samples] });
    } else if (last !== undefined && "gap" in last && last.cause === piece.cause) {
      runs[runs.length - 1] = { gap: last.gap + piece.length, cause: piece.cause };
    } else runs.push({ gap: piece.length, cause: piece.cause });
  }
  return runs;
}

const format = (
  encoding: AudioFormat["encoding"],
  framing: AudioFormat["framing"],
  channels: 1 | 2 = 1,
): AudioFormat => checkFormat({ encoding, framing, rate: encoding === "opus" ? 48000 : 8000, channels });

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
}

const randomBytes = (random: () => number, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => Math.floor(random() * 256));

function sequenced(channel: number, seq: number, timestamp: number, payload: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(12 + payload.length);
  const view = new DataView(chunk.buffer);
  chunk.set([1, channel]);
  view.setUint32(4, seq);
  view.setUint32(8, timestamp);
  chunk.set(payload, 12);
  return chunk;
}

const pcm16 = (...values: number[]): Uint8Array => new Uint8Array(Int16Array.from(values).buffer);

/** First bytes (RFC 6716 §3.1) of packets of 20, 10 and 2.5 ms. */
const toc = { 20: 31 << 3, 10: 30 << 3, 2.5: 28 << 3 } as const;
const opusPacket = (ms: keyof typeof toc, level: number): Uint8Array => Uint8Array.of(toc[ms], level, 0);
/** It claims to hold no frame. */
const brokenPacket = Uint8Array.of(3, 0);

/** Decodes a packet to the level, in 1/8, that its second byte says. */
function fakeOpus(): OpusCodec & { readonly log: string[] } {
  const log: string[] = [];
  return {
    log,
    open(channels) {
      log.push(`open ${channels}`);
      return {
        decode(packet) {
          const duration = parseOpusPacket(packet)?.duration;
          if (duration === undefined) return undefined;
          const level = (packet[1] ?? 0) / 8;
          return Array.from({ length: channels }, () => new Float32Array(duration / 3).fill(level));
        },
        close: () => log.push("close"),
      };
    },
  };
}

const decode = (decoder: Decoder, chunks: readonly Uint8Array[]): Piece[] => [
  ...chunks.flatMap((chunk) => [...decoder.push(chunk)]),
  ...decoder.flush(),
];

const isFault = (code: string, text?: RegExp) => (error: unknown) =>
  error instanceof Fault && error.code === code && (text?.test(error.message) ?? true);

describe("checkFormat", () => {
  it("takes every usual rate of PCM and G.711, and fills in the framing", () => {
    for (const encoding of encodings) {
      for (const rate of encoding === "opus" ? opusRates : pcmRates) {
        const understood = checkFormat({ encoding, rate, channels: 2 });
        assert.equal(understood.framing, encoding === "opus" ? "packet" : "raw");
        assert.equal(understood.rate, encoding === "opus" ? 48000 : rate);
      }
    }
  });

  it("refuses what cannot be decoded, and names the field", () => {
    const good = { encoding: "pcm_s16le", framing: "raw", rate: 16000, channels: 1 };
    const refused = [
      { ...good, encoding: "ogg_opus", field: "encoding" },
      { ...good, encoding: "toString", field: "encoding" },
      { ...good, framing: "rtp", field: "framing" },
      { ...good, encoding: "opus", field: "framing" },
      { ...good, encoding: "opus", framing: "packet", rate: 44100, field: "sample_rate" },
      ...[3e9, 0, -8000, 8000.5, NaN, Infinity, 7999].map((rate) => ({
        ...good,
        rate,
        field: "sample_rate",
      })),
      ...[0, 3, 1.5, NaN].map((channels) => ({ ...good, channels, field: "channels" })),
    ];
    for (const { field, ...declared } of refused) {
      assert.throws(
        () => checkFormat(declared),
        (error: unknown) =>
          error instanceof Fault && error.code === "unsupported_audio" && error.details?.["field"] === field,
        JSON.stringify(declared),
      );
    }
  });
});

describe("createDecoder", () => {
  it("gives PCM at the source's rate and Opus at 16 kHz", () => {
    assert.equal(createDecoder(format("pcm_mulaw", "raw"), undefined).rate, 8000);
    assert.equal(createDecoder(format("opus", "packet"), fakeOpus()).rate, 16000);
  });

  it("refuses a format that it cannot decode, and Opus without a codec", () => {
    const huge: AudioFormat = { encoding: "pcm_s16le", framing: "raw", rate: hertz(3e9), channels: 1 };
    assert.throws(() => createDecoder(huge, undefined), isFault("unsupported_audio"));
    assert.throws(() => createDecoder(format("opus", "packet"), undefined), isFault("unsupported_audio"));
  });

  it("ignores a chunk of no bytes in every framing", () => {
    for (const encoding of encodings) {
      for (const framing of framings) {
        if (encoding === "opus" && framing === "raw") continue;
        const decoder = createDecoder(format(encoding, framing), fakeOpus());
        assert.deepEqual(decoder.push(new Uint8Array(0)), []);
      }
    }
  });

  it("never keeps a chunk", () => {
    for (const framing of framings) {
      const decoder = createDecoder(format("pcm_s16le", framing), undefined);
      const chunks = [0, 1, 3, 2].map((seq) =>
        framing === "sequenced" ? sequenced(0, seq, 2 * seq, pcm16(seq, seq)) : pcm16(seq, seq),
      );
      const pieces = chunks.flatMap((chunk) => {
        const given = decoder.push(chunk);
        chunk.fill(0x77);
        return [...given];
      });
      const values = pieces.flatMap((piece) => (piece.kind === "audio" ? [...piece.samples] : []));
      const expected = framing === "sequenced" ? [0, 0, 1, 1, 2, 2, 3, 3] : [0, 0, 1, 1, 3, 3, 2, 2];
      assert.deepEqual(
        values.map((x) => x * 32768),
        expected,
      );
    }
  });
});

describe("raw framing", () => {
  for (const encoding of encodings.filter((name) => name !== "opus")) {
    for (const channels of [1, 2] as const) {
      it(`gives the same ${encoding} for any split, ${channels} channels`, () => {
        const random = randomFrom(3);
        const bytes = randomBytes(random, 4007);
        // Runs of NaN among the floats, also across the borders of chunks.
        for (let at = 400; at < 3000; at += 700) bytes.fill(0xff, at, at + 80);
        const open = () => createDecoder(format(encoding, "raw", channels), undefined);
        const expected = decode(open(), [bytes]);
        const splits: (() => number)[] = [() => 1, () => 3, () => 160, () => Math.floor(random() * 50)];
        for (const split of splits) {
          const chunks: Uint8Array[] = [];
          for (let at = 0; at < bytes.length;) {
            const length = split();
            chunks.push(bytes.subarray(at, at + length));
            at += length;
          }
          for (let channel = 0; channel < channels; channel++) {
            assert.deepEqual(timeline(decode(open(), chunks), channel), timeline(expected, channel));
          }
        }
        const frames = expected
          .filter((piece) => piece.channel === 0)
          .reduce((sum, piece) => sum + (piece.kind === "audio" ? piece.samples.length : piece.length), 0);
        const bytesPerSample = { pcm_s16le: 2, pcm_f32le: 4, pcm_mulaw: 1, pcm_alaw: 1 }[encoding];
        assert.equal(frames, Math.floor(4007 / bytesPerSample / channels));
      });
    }
  }

  it("drops a partial frame at the end, and does not prefix the next stream with it", () => {
    const decoder = createDecoder(format("pcm_s16le", "raw"), undefined);
    assert.deepEqual(decode(decoder, [Uint8Array.of(1)]), []);
    assert.deepEqual(timeline([...decoder.push(pcm16(16384))], 0), [{ audio: [0.5] }]);
  });
});

describe("packet framing", () => {
  it("refuses a packet that ends within a frame, naming the sizes", () => {
    const decoder = createDecoder(format("pcm_s16le", "packet", 2), undefined);
    assert.throws(() => decoder.push(new Uint8Array(642)), isFault("bad_message", /642.*4-byte/));
  });

  it("gives both channels of a packet", () => {
    const pieces = decode(createDecoder(format("pcm_s16le", "packet", 2), undefined), [pcm16(16384, -16384)]);
    assert.deepEqual([timeline(pieces, 0), timeline(pieces, 1)], [[{ audio: [0.5] }], [{ audio: [-0.5] }]]);
  });

  it("decodes stereo Opus with one decoder", () => {
    const opus = fakeOpus();
    const decoder = createDecoder(format("opus", "packet", 2), opus);
    const pieces = decode(decoder, [opusPacket(20, 4), brokenPacket]);
    decoder.close();
    decoder.close();
    const expected: Run[] = [{ audio: Array<number>(320).fill(0.5) }, { gap: 960, cause: "undecodable" }];
    assert.deepEqual([timeline(pieces, 0), timeline(pieces, 1)], [expected, expected]);
    assert.deepEqual(opus.log, ["open 2", "close"]);
  });

  it("ends an Opus session whose packets are mostly broken", () => {
    const decoder = createDecoder(format("opus", "packet"), fakeOpus());
    for (let n = 0; n < 49; n++) assert.equal(decoder.push(brokenPacket).length, 1);
    assert.throws(() => decoder.push(brokenPacket), isFault("undecodable_audio"));
  });
});

describe("sequenced framing", () => {
  it("orders each channel by its own counters", () => {
    const decoder = createDecoder(format("pcm_s16le", "sequenced", 2), undefined);
    const packet = (channel: number, n: number, base: number) =>
      sequenced(channel, base + n, 1000 * base + 2 * n, pcm16(8192 * n, 8192 * n));
    const chunks = [
      packet(0, 0, 5),
      packet(1, 0, 9),
      packet(0, 2, 5),
      packet(1, 1, 9),
      packet(0, 1, 5),
      packet(1, 3, 9),
    ];
    const pieces = decode(decoder, chunks);
    assert.deepEqual(timeline(pieces, 0), [{ audio: [0, 0, 0.25, 0.25, 0.5, 0.5] }]);
    assert.deepEqual(timeline(pieces, 1), [
      { audio: [0, 0, 0.25, 0.25] },
      { gap: 2, cause: "loss" },
      { audio: [0.75, 0.75] },
    ]);
  });

  it("gives no sample twice when timestamps overlap", () => {
    const decoder = createDecoder(format("pcm_s16le", "sequenced"), undefined);
    const quarter = (...quarters: number[]) => pcm16(...quarters.map((n) => n * 8192));
    const pieces = decode(decoder, [
      sequenced(0, 0, 0, quarter(0, 1, 2)),
      sequenced(0, 1, 2, quarter(-1, 3)),
      sequenced(0, 2, 0, quarter(-1)),
    ]);
    assert.deepEqual(timeline(pieces, 0), [{ audio: [0, 0.25, 0.5, 0.75] }]);
  });

  it("declares silence and loss between Opus packets at 48 kHz, whatever their length", () => {
    const opus = fakeOpus();
    const decoder = createDecoder(format("opus", "sequenced", 2), opus);
    const pieces = decode(decoder, [
      sequenced(1, 0, 0, opusPacket(20, 4)),
      sequenced(1, 1, 960 + 48000, opusPacket(2.5, 2)),
      sequenced(1, 3, 960 + 48000 + 120 + 2880, opusPacket(10, 4)),
      sequenced(1, 4, 960 + 48000 + 120 + 2880 + 480, brokenPacket),
    ]);
    assert.deepEqual(timeline(pieces, 0), []);
    assert.deepEqual(timeline(pieces, 1), [
      { audio: Array<number>(320).fill(0.5) },
      { gap: 48000, cause: "dtx" },
      { audio: Array<number>(40).fill(0.25) },
      { gap: 2880, cause: "loss" },
      { audio: Array<number>(160).fill(0.5) },
      { gap: 480, cause: "undecodable" },
    ]);
    assert.deepEqual(opus.log, ["open 1", "open 1"]);
  });

  it("closes what it opened when the second channel cannot be had", () => {
    const opus = fakeOpus();
    let left = 1;
    const scarce: OpusCodec = {
      open(channels) {
        if (left-- === 0) throw new Fault("at_capacity", "no decoder left");
        return opus.open(channels);
      },
    };
    assert.throws(() => createDecoder(format("opus", "sequenced", 2), scarce), isFault("at_capacity"));
    assert.deepEqual(opus.log, ["open 1", "close"]);
  });

  it("refuses a payload that ends within a sample", () => {
    const decoder = createDecoder(format("pcm_s16le", "sequenced"), undefined);
    assert.throws(
      () => decoder.push(sequenced(0, 0, 0, new Uint8Array(3))),
      isFault("bad_message", /3 bytes/),
    );
  });
});

describe("hostile bytes", () => {
  const checkPieces = (pieces: readonly Piece[], channels: number): number => {
    for (const piece of pieces) {
      assert.ok(piece.channel >= 0 && piece.channel < channels);
      if (piece.kind === "gap") {
        assert.ok(Number.isInteger(piece.length) && piece.length > 0 && piece.length <= 3600 * 48000);
      } else {
        assert.ok(piece.samples.length > 0);
        assert.ok(piece.samples.every((x) => Math.abs(x) <= 1));
      }
    }
    return pieces.length;
  };

  /** Mostly well-formed headers with counters that stay, creep, leap and wrap; sometimes plain noise. */
  function hostileChunk(random: () => number, framing: string): Uint8Array {
    const payload = randomBytes(random, Math.floor(random() * 40) * (random() < 0.95 ? 4 : 1));
    if (random() < 0.3 && payload.length > 0) payload[0] = Math.floor(random() * 60);
    if (framing !== "sequenced" || random() < 0.002) return payload;
    const anywhere = () => Math.floor(random() * 0x100000000);
    const creep = () => Math.floor(random() * 400) - 200;
    const seq = random() < 0.9 ? creep() : anywhere();
    const timestamp = random() < 0.9 ? creep() * 160 : anywhere();
    return sequenced(random() < 0.5 ? 0 : 1, seq, timestamp, payload);
  }

  it("end in faults by name or in pieces that keep their promises", () => {
    const random = randomFrom(23);
    let pieces = 0;
    let faults = 0;
    for (let round = 0; round < 600; round++) {
      const encoding = encodings[round % encodings.length] ?? "opus";
      const framing = framings[Math.floor(round / encodings.length) % framings.length] ?? "packet";
      if (encoding === "opus" && framing === "raw") continue;
      const decoder = createDecoder(format(encoding, framing, 2), fakeOpus());
      try {
        for (let n = 0; n < 150; n++) pieces += checkPieces(decoder.push(hostileChunk(random, framing)), 2);
        pieces += checkPieces(decoder.flush(), 2);
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
        assert.ok(error.code === "bad_message" || error.code === "undecodable_audio");
        faults++;
      }
      decoder.close();
    }
    assert.ok(pieces > 20_000, `${pieces}`);
    assert.ok(faults > 50, `${faults}`);
  });
});
