import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { OpusDecoder } from "opus-decoder";
import { createOpusEncoder, type OpusEncoderOptions } from "../../clients/node/opus-encoder.ts";
import { Fault } from "../stream/errors.ts";
import { parseOpusPacket } from "../stream/opus-packet.ts";
import type { OpusStream } from "../stream/opus-pieces.ts";
import { createOpusHost } from "./opus-host.ts";
import { loadOpusModule, type OpusModule } from "./opus-module.ts";

/** Reproducible numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A voice-like tone with noise, coming and going, different in each channel. */
async function encoded(options: OpusEncoderOptions, packets: number, seed = 1): Promise<Uint8Array[]> {
  const encoder = await createOpusEncoder(options);
  const next = random(seed);
  const { rate, channels, frameMs } = options;
  const frame = (rate * frameMs) / 1000;
  const made = Array.from({ length: packets }, (_, k) => {
    const pcm = Int16Array.from({ length: frame * channels }, (__, i) => {
      const t = (k * frame + Math.floor(i / channels)) / rate;
      const loudness = 9000 * Math.max(0, Math.sin(2 * Math.PI * 3 * t));
      const pitch = 120 + 40 * seed + 90 * (i % channels);
      return loudness * Math.sin(2 * Math.PI * pitch * t) + 600 * (next() - 0.5);
    });
    return encoder.encode(pcm);
  });
  encoder.close();
  return made;
}

const speech = (channels: 1 | 2, seed = 1): Promise<Uint8Array[]> =>
  encoded({ rate: 16_000, channels, frameMs: 20, bitrate: 24_000 }, 25, seed);

const decodeAll = (stream: OpusStream, packets: readonly Uint8Array[]): readonly Float32Array[][] =>
  packets.map((packet) => [...(stream.decode(packet) ?? [])]);

/** What the public interface of `opus-decoder` makes of them. */
async function decodedPublicly(channels: 1 | 2, packets: readonly Uint8Array[]): Promise<Float32Array[][]> {
  const decoder = new OpusDecoder({ channels, sampleRate: 16_000 });
  await decoder.ready;
  const blocks = packets.map((packet) => decoder.decodeFrame(packet).channelData);
  decoder.free();
  return blocks;
}

for (const channels of [1, 2] as const) {
  test(`${channels} channel(s) decode to the bits that opus-decoder's public interface gives`, async () => {
    const host = await createOpusHost();
    for (const rate of [8000, 16_000, 48_000] as const) {
      const packets = await encoded({ rate, channels, frameMs: 20, bitrate: 32_000 }, 30);
      const blocks = decodeAll(host.open(channels), packets);
      assert.deepEqual(blocks, await decodedPublicly(channels, packets));
      assert.ok(blocks.some(([first]) => first?.some((x) => Math.abs(x) > 0.1)));
    }
    host.close();
  });
}

const durations = [2.5, 5, 10, 20, 40, 60, 80, 100, 120] as const;

test("packets of every duration decode to 16 samples per millisecond", async () => {
  const host = await createOpusHost();
  for (const channels of [1, 2] as const) {
    const stream = host.open(channels);
    for (const frameMs of durations) {
      const packets = await encoded({ rate: 48_000, channels, frameMs, bitrate: 32_000 }, 4);
      for (const packet of packets) {
        assert.equal(parseOpusPacket(packet)?.duration, frameMs * 48);
        const blocks = stream.decode(packet);
        assert.deepEqual(
          blocks?.map((block) => block.length),
          new Array(channels).fill(frameMs * 16),
        );
      }
    }
  }
  host.close();
});

test("every bandwidth decodes", async () => {
  const host = await createOpusHost();
  const seen = new Set<string>();
  for (const rate of [8000, 12_000, 16_000, 24_000, 48_000] as const) {
    for (const frameMs of [10, 20] as const) {
      for (const bitrate of [20_000, 96_000]) {
        const packets = await encoded({ rate, channels: 1, frameMs, bitrate }, 10);
        const stream = host.open(1);
        for (const packet of packets) {
          const info = parseOpusPacket(packet);
          seen.add(info?.bandwidth ?? "none");
          assert.equal(stream.decode(packet)?.[0]?.length, frameMs * 16);
        }
      }
    }
  }
  host.close();
  assert.deepEqual([...seen].sort(), ["fullband", "mediumband", "narrowband", "superwideband", "wideband"]);
});

test("a stereo packet in a mono stream is mixed down, a mono packet in a stereo stream fills both channels", async () => {
  const host = await createOpusHost();
  const mono = decodeAll(host.open(1), await speech(2));
  assert.ok(mono.every((blocks) => blocks.length === 1 && blocks[0]?.length === 320));
  assert.ok(mono.some(([block]) => block?.some((x) => Math.abs(x) > 0.05)));
  const stereo = decodeAll(host.open(2), await speech(1));
  assert.ok(stereo.every((blocks) => blocks.length === 2));
  assert.ok(stereo.some(([block]) => block?.some((x) => Math.abs(x) > 0.05)));
  for (const [left, right] of stereo) assert.deepEqual(left, right);
  host.close();
});

test("streams with DTX and FEC decode, and DTX packets are recognised", async () => {
  const encoder = await createOpusEncoder({
    rate: 16_000,
    channels: 1,
    frameMs: 20,
    bitrate: 24_000,
    dtx: true,
    fec: true,
  });
  const next = random(3);
  const host = await createOpusHost();
  const stream = host.open(1);
  let silent = 0;
  for (let k = 0; k < 150; k++) {
    const loudness = k < 50 ? 16_000 : 0;
    const packet = encoder.encode(Int16Array.from({ length: 320 }, () => loudness * (next() - 0.5)));
    assert.equal(stream.decode(packet)?.[0]?.length, 320);
    if (parseOpusPacket(packet)?.dtx === true) silent++;
  }
  assert.ok(silent > 50, `${silent} DTX packets`);
  host.close();
});

test("interleaved streams give the bits they give alone", async () => {
  const host = await createOpusHost();
  const kinds = Array.from({ length: 12 }, (_, i): 1 | 2 => (i % 3 === 0 ? 2 : 1));
  const inputs = await Promise.all(kinds.map((channels, i) => speech(channels, i + 1)));
  const alone = await Promise.all(inputs.map((packets, i) => decodedPublicly(kinds[i] ?? 1, packets)));
  const streams = kinds.map((channels) => host.open(channels));
  const together: Float32Array[][][] = kinds.map(() => []);
  for (let k = 0; k < 25; k++) {
    streams.forEach((stream, i) => {
      together[i]?.push([...(stream.decode(inputs[i]?.[k] ?? new Uint8Array()) ?? [])]);
    });
  }
  assert.deepEqual(together, alone);
  host.close();
});

test("a decoder that is used again has forgotten what it heard", async () => {
  const host = await createOpusHost();
  const [first, second] = [await speech(2, 1), await speech(2, 5)];
  const expected = await decodedPublicly(2, second);
  for (let round = 0; round < 3; round++) {
    const stream = host.open(2);
    decodeAll(stream, first);
    stream.close();
  }
  const again = host.open(2);
  assert.deepEqual(decodeAll(again, second), expected);
  host.close();
});

test("an empty packet, and one that is too long, never reach libopus", async () => {
  const host = await createOpusHost();
  const stream = host.open(1);
  assert.equal(stream.decode(new Uint8Array(0)), undefined);
  assert.equal(stream.decode(new Uint8Array(65_537)), undefined);
  host.close();
});

function* randomPackets(count: number, next: () => number): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    const packet = Uint8Array.from({ length: 1 + Math.floor(next() * 300) }, () => next() * 256);
    // Half of them of code 0, most of which libopus accepts.
    if (i % 2 === 0) packet[0] = (packet[0] ?? 0) & 0xfc;
    yield packet;
  }
}

test("corrupt packets give samples in [-1, 1] or nothing, and harm no other stream", async () => {
  const host = await createOpusHost();
  const witness = host.open(2);
  const [mono, stereo] = [host.open(1), host.open(2)];
  const next = random(7);
  const clean = await speech(2);
  const expected = await decodedPublicly(2, clean);
  const heard = decodeAll(witness, clean.slice(0, 10));
  const sound = await speech(1, 2);
  let accepted = 0;
  let loudest = 0;
  const check = (blocks: readonly Float32Array[] | undefined): void => {
    if (blocks !== undefined) accepted++;
    for (const block of blocks ?? []) {
      for (const x of block) {
        assert.ok(x >= -1 && x <= 1);
        loudest = Math.max(loudest, Math.abs(x));
      }
    }
  };
  for (const packet of randomPackets(3000, next)) {
    check(mono.decode(packet));
    check(stereo.decode(packet));
  }
  for (const packet of sound) {
    const flipped = packet.slice();
    const at = Math.floor(next() * flipped.length);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    check(mono.decode(flipped));
  }
  assert.ok(accepted > 1000 && loudest === 1, `${accepted} accepted, loudest ${loudest}`);
  assert.deepEqual([...heard, ...decodeAll(witness, clean.slice(10))], expected);
  host.close();
});

test("the parser accepts exactly the packets that libopus does", async () => {
  const host = await createOpusHost();
  const stream = host.open(2);
  const next = random(11);
  for (const packet of randomPackets(3000, next)) {
    if (next() < 0.3) packet[1] = Math.floor(next() * 256) & 0xc7;
    const parsed = parseOpusPacket(packet);
    assert.equal(
      stream.decode(packet)?.[0]?.length,
      parsed && parsed.duration / 3,
      Buffer.from(packet).toString("hex"),
    );
  }
  host.close();
});

test("broken packets write nothing to the console", async () => {
  const script = `
    import { createOpusHost } from ${JSON.stringify(new URL("opus-host.ts", import.meta.url).href)};
    const host = await createOpusHost();
    const stream = host.open(1);
    let refused = 0;
    for (let i = 0; i < 100; i++) refused += stream.decode(Uint8Array.of(0x0b, i, 255)) === undefined ? 1 : 0;
    host.close();
    if (refused < 50) process.exitCode = 1;`;
  const child = await promisify(execFile)(process.execPath, [
    "--import",
    import.meta.resolve("tsx"),
    "--input-type=module",
    "-e",
    script,
  ]);
  assert.deepEqual(child, { stdout: "", stderr: "" });
});

test("more streams than one heap holds are opened at once, and decode independently", async () => {
  const host = await createOpusHost();
  const packets = await speech(1);
  const streams = Array.from({ length: 900 }, () => host.open(1));
  assert.equal(host.streams, 900);
  const expected = await decodedPublicly(1, packets);
  for (const stream of [streams[0], streams[696], streams[899]]) {
    assert.ok(stream !== undefined);
    assert.deepEqual(decodeAll(stream, packets), expected);
  }
  for (const stream of streams) stream.close();
  assert.equal(host.streams, 0);
  host.close();
});

/** Counts the instances that a host makes, and may make them trap or give what is not a number. */
function countingLoader(): {
  load: () => Promise<OpusModule>;
  loaded: () => number;
  trap: { next: boolean };
} {
  let count = 0;
  const trap = { next: false };
  const load = async (): Promise<OpusModule> => {
    const module = await loadOpusModule();
    count++;
    return {
      ...module,
      decode: (...args) => {
        if (trap.next) {
          trap.next = false;
          throw new RangeError("unreachable");
        }
        return module.decode(...args);
      },
    };
  };
  return { load, loaded: () => count, trap };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("opening and closing ten thousand times needs no more heaps than were open at once", async () => {
  const { load, loaded } = countingLoader();
  const host = await createOpusHost({ load });
  for (let i = 0; i < 10_000; i++) {
    host.open(i % 2 === 0 ? 1 : 2).close();
    if (i % 1000 === 0) await turn();
  }
  while (loaded() < 4) await turn();
  assert.equal(loaded(), 4, "one for each channel count and two spares");
  for (let round = 0; round < 3; round++) {
    const streams = Array.from({ length: 1000 }, () => host.open(1));
    for (const stream of streams) stream.close();
    while (loaded() < 5) await turn();
  }
  assert.equal(loaded(), 5);
  host.close();
});

test("a trap breaks the streams of its heap alone, and is reported once", async () => {
  const { load, trap } = countingLoader();
  const broken: Error[] = [];
  const host = await createOpusHost({ load, onBroken: (reason) => broken.push(reason) });
  const packets = await speech(1);
  const [mono, neighbour, stereo] = [host.open(1), host.open(1), host.open(2)];
  trap.next = true;
  assert.equal(mono.decode(packets[0] ?? new Uint8Array()), undefined);
  assert.ok(packets.every((packet) => neighbour.decode(packet) === undefined));
  assert.equal(broken.length, 1);
  assert.ok(broken[0]?.cause instanceof RangeError);
  assert.ok(packets.every((packet) => stereo.decode(packet)?.length === 2));
  assert.deepEqual(decodeAll(host.open(1), packets), await decodedPublicly(1, packets));
  mono.close();
  neighbour.close();
  assert.equal(host.streams, 2);
  host.close();
});

test("what is not a number is given to nobody, and the decoder starts afresh", async () => {
  let poison = true;
  const load = async (): Promise<OpusModule> => {
    const module = await loadOpusModule();
    return {
      ...module,
      decode: (decoder, packet, length, out) => {
        const decoded = module.decode(decoder, packet, length, out);
        if (poison) new Float32Array(module.memory, out, decoded)[7] = NaN;
        return decoded;
      },
    };
  };
  const host = await createOpusHost({ load });
  const stream = host.open(1);
  const packets = await speech(1);
  assert.ok(packets.every((packet) => stream.decode(packet) === undefined));
  poison = false;
  assert.deepEqual(decodeAll(stream, packets), await decodedPublicly(1, packets));
  host.close();
});

test("when no heap can be had, opening is a retryable fault and the streams at hand go on", async () => {
  let left = 4;
  const load = async (): Promise<OpusModule> => {
    if (left-- <= 0) throw new Error("out of memory");
    return loadOpusModule();
  };
  const host = await createOpusHost({ load });
  const mono = host.open(1);
  const openMany = (): void => {
    for (let i = 0; i < 2000; i++) host.open(2);
  };
  const isAtCapacity = (reason: unknown): reason is Fault =>
    reason instanceof Fault && reason.code === "at_capacity" && reason.retryable;
  assert.throws(openMany, isAtCapacity);
  await turn();
  assert.throws(openMany, (reason) => isAtCapacity(reason) && reason.cause instanceof Error);
  const [packet] = await speech(1);
  assert.equal(mono.decode(packet ?? new Uint8Array())?.length, 1);
  await turn();
  left = 2;
  assert.throws(() => host.open(2), Fault);
  while (left > 0) await turn();
  await turn();
  host.open(2);
  host.close();
});

test("a package built differently is named when the host starts", async () => {
  let shift = 0;
  const load = async (): Promise<OpusModule> => {
    const module = await loadOpusModule();
    return { ...module, createDecoder: (...args) => module.createDecoder(...args) + 8 * (shift++ % 2) };
  };
  await assert.rejects(createOpusHost({ load }), /not the version/);
});

test("closing twice is harmless, decoding afterwards is a bug", async () => {
  const host = await createOpusHost();
  const [stream, other] = [host.open(1), host.open(2)];
  stream.close();
  stream.close();
  assert.equal(host.streams, 1);
  const isBug = (reason: unknown): boolean => reason instanceof Error && !(reason instanceof Fault);
  assert.throws(() => stream.decode(Uint8Array.of(0xf8)), isBug);
  host.close();
  host.close();
  assert.equal(host.streams, 0);
  assert.throws(() => other.decode(Uint8Array.of(0xf8)), isBug);
  assert.throws(() => host.open(1), isBug);
});
