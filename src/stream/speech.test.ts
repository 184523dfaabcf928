import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { FLACDecoder } from "@wasm-audio-decoders/flac";
import {
  atLevel,
  lineSounds,
  music,
  noisy,
  pink,
  seeded,
  soundRate,
  throughMulaw,
  white,
} from "../../test/support/sounds.ts";
import type { SpeechMeter } from "./ports.ts";
import { createSpeechMeter } from "./speech.ts";

const humans = ["chitwan", "kathleen", "kerstin_1", "kerstin_2", "lj", "nathalie"].map((n) => `human_${n}`);
const machines = ["espeak_de", "espeak_en", "flite_awb", "flite_rms", "flite_slt"].map((n) => `machine_${n}`);
const seconds = 30;

async function clip(decoder: FLACDecoder, name: string): Promise<Float32Array> {
  const file = new URL(`../../test/fixtures/clips/${name}.flac`, import.meta.url);
  const { channelData } = await decoder.decodeFile(readFileSync(file));
  await decoder.reset();
  return channelData[0] ?? new Float32Array();
}

/** The share that counts as speech when it is asked for second by second, as a session asks. */
function share(samples: Float32Array): number {
  const meter = createSpeechMeter();
  let speech = 0;
  for (let at = 0; at < samples.length; at += soundRate) {
    const end = Math.min(at + soundRate, samples.length);
    meter.push(samples.subarray(at, end));
    speech += meter.speech(at, end);
  }
  return speech / samples.length;
}

/** The share over several clips, each a stream of its own, and the seconds that it was measured on. */
function overall(clips: readonly Float32Array[]): { readonly share: number; readonly seconds: number } {
  const total = clips.reduce((sum, samples) => sum + samples.length, 0);
  const speech = clips.reduce((sum, samples) => sum + share(samples) * samples.length, 0);
  return { share: speech / total, seconds: total / soundRate };
}

const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`;

let human: readonly Float32Array[] = [];
let machine: readonly Float32Array[] = [];

before(async () => {
  const decoder = new FLACDecoder();
  await decoder.ready;
  const read = async (names: readonly string[]): Promise<readonly Float32Array[]> => {
    const clips: Float32Array[] = [];
    for (const name of names) clips.push(await clip(decoder, name));
    return clips;
  };
  human = await read(humans);
  machine = await read(machines);
  decoder.free();
});

describe("what is not speech", () => {
  for (const [name, samples] of Object.entries(lineSounds(seconds))) {
    it(`counts at most 5 % of ${name}`, () => {
      const counted = share(samples);
      assert.ok(counted <= 0.05, percent(counted));
    });

    it(`counts at most 5 % of ${name} through mu-law`, () => {
      const counted = share(throughMulaw(samples, -25));
      assert.ok(counted <= 0.05, percent(counted));
    });
  }

  for (const [beat, partials] of [
    [0.25, 4],
    [0.4, 8],
    [0.9, 12],
  ] as const) {
    it(`counts at most 20 % of a tune of ${beat} s a beat and ${partials} partials`, () => {
      const counted = share(music(seconds, beat, partials, seeded(partials)));
      assert.ok(counted <= 0.2, percent(counted));
    });
  }
});

describe("what is speech", () => {
  const conditions: Record<string, (samples: Float32Array) => Float32Array> = {
    "as recorded": (samples) => samples,
    "through mu-law at 8 kHz and -35 dBFS": (samples) => throughMulaw(samples, -35),
    "at -45 dBFS": (samples) => atLevel(samples, -45),
    "at -10 dBFS": (samples) => atLevel(samples, -10),
    "with white noise 10 dB under it": (samples) => noisy(samples, white(samples.length, seeded(1)), 10),
    "with pink noise 10 dB under it": (samples) => noisy(samples, pink(samples.length, seeded(2)), 10),
  };
  for (const [name, change] of Object.entries(conditions)) {
    it(`counts at least 85 % of people ${name}`, () => {
      const found = overall(human.map(change));
      assert.ok(found.seconds > 15, `only ${found.seconds.toFixed(1)} s were measured`);
      assert.ok(found.share >= 0.85, `${percent(found.share)} of ${found.seconds.toFixed(1)} s`);
    });

    it(`counts at least 85 % of machines ${name}`, () => {
      const found = overall(machine.map(change));
      assert.ok(found.seconds > 15, `only ${found.seconds.toFixed(1)} s were measured`);
      assert.ok(found.share >= 0.85, `${percent(found.share)} of ${found.seconds.toFixed(1)} s`);
    });
  }

  it("ends with the speech: of ten seconds of silence after it at most half a second counts", () => {
    const voice = human[0] ?? new Float32Array();
    const meter = createSpeechMeter();
    meter.push(voice);
    meter.push(new Float32Array(10 * soundRate));
    const end = voice.length + 10 * soundRate;
    assert.ok(meter.speech(voice.length, end) <= soundRate / 2, `${meter.speech(voice.length, end)}`);
  });

  it("is found again after an hour of silence and an hour of nothing", () => {
    const voice = human[1] ?? new Float32Array();
    const meter = createSpeechMeter();
    meter.skip(3_600 * soundRate + 123);
    meter.push(voice);
    const start = 3_600 * soundRate + 123;
    const counted = meter.speech(start, start + voice.length) / voice.length;
    assert.ok(counted >= 0.85, percent(counted));
  });
});

/** Pushes the stretch in pieces of the sizes, over and over; a hole is skipped in the same pieces. */
function inPieces(
  meter: SpeechMeter,
  stretch: { readonly samples?: Float32Array; readonly hole?: number },
  sizes: readonly number[],
): void {
  const length = stretch.samples?.length ?? stretch.hole ?? 0;
  for (let at = 0, i = 0; at < length; i++) {
    const size = Math.min(sizes[i % sizes.length] ?? length, length - at);
    if (stretch.samples) meter.push(stretch.samples.subarray(at, at + size));
    else meter.skip(size);
    at += size;
  }
}

describe("the speech meter", () => {
  const splits: readonly (readonly number[])[] = [
    [1],
    [160],
    [320],
    [1_279, 1, 1_281],
    [7, 4_001, 99, 1_280],
  ];
  const answers = (meter: SpeechMeter, end: number): number[] =>
    [0, 1, 319, 320, 1_000, 16_000, 31_999, 64_600].map((back) => meter.speech(Math.max(0, end - back), end));

  for (const sizes of splits) {
    it(`answers alike whatever the split: pieces of ${sizes.join(", ")}`, () => {
      const voice = human[0] ?? new Float32Array();
      const whole = createSpeechMeter();
      const split = createSpeechMeter();
      let time = 0;
      const first = voice.subarray(0, 30_001);
      const last = voice.subarray(30_001);
      for (const stretch of [{ samples: first }, { hole: 5_003 }, { samples: last }, { hole: 333_333 }]) {
        inPieces(whole, stretch, [Infinity]);
        inPieces(split, stretch, sizes);
        time += stretch.samples?.length ?? stretch.hole ?? 0;
        assert.deepEqual(answers(split, time), answers(whole, time));
      }
      whole.push(voice);
      inPieces(split, { samples: voice }, sizes);
      assert.deepEqual(answers(split, time + voice.length), answers(whole, time + voice.length));
    });
  }

  it("answers the same when it was asked before", () => {
    const voice = human[2] ?? new Float32Array();
    const asked = createSpeechMeter();
    const silent = createSpeechMeter();
    for (let at = 0; at < voice.length; at += 800) {
      const piece = voice.subarray(at, at + 800);
      asked.push(piece);
      silent.push(piece);
      asked.speech(Math.max(0, at - 1_000), at + piece.length);
    }
    const end = voice.length;
    assert.equal(asked.speech(end - 40_000, end), silent.speech(end - 40_000, end));
  });

  it("lets a hole pass exactly, however long", () => {
    const voice = human[3] ?? new Float32Array();
    const long = createSpeechMeter();
    const heard = createSpeechMeter();
    const length = 60 * soundRate + 1_000;
    long.push(voice);
    long.skip(length);
    long.push(voice);
    heard.push(voice);
    for (let left = length; left > 0; left -= 1_000) heard.skip(Math.min(1_000, left));
    heard.push(voice);
    const end = 2 * voice.length + length;
    assert.deepEqual(answers(long, end), answers(heard, end));
  });

  it("counts nothing in a hole, and speech on both sides of it", () => {
    const voice = human[1] ?? new Float32Array();
    const meter = createSpeechMeter();
    const from = 20_010;
    const hole = 470;
    meter.push(voice.subarray(0, from));
    meter.skip(hole);
    meter.push(voice.subarray(from + hole));
    const end = voice.length;
    assert.equal(meter.speech(from, from + hole), 0);
    const counted = meter.speech(0, end);
    assert.ok(counted <= end - hole && counted >= 0.85 * (end - hole), `${counted} of ${end - hole}`);
  });

  it("never counts more than was asked about, nor less of more", () => {
    const voice = human[4] ?? new Float32Array();
    const meter = createSpeechMeter();
    meter.push(voice);
    let before = 0;
    for (let length = 0; length <= voice.length; length += 777) {
      const counted = meter.speech(voice.length - length, voice.length);
      assert.ok(counted >= before && counted <= length, `${counted} of ${length}`);
      before = counted;
    }
  });

  it("refuses questions about what it no longer knows, or does not know yet", () => {
    const meter = createSpeechMeter();
    meter.push(new Float32Array(200_000));
    assert.throws(() => meter.speech(39_999, 200_000), RangeError);
    assert.throws(() => meter.speech(190_000, 200_001), RangeError);
    assert.throws(() => meter.speech(190_000, 189_999), RangeError);
    assert.equal(meter.speech(40_000, 200_000), 0);
    assert.throws(() => meter.skip(-1), RangeError);
    assert.throws(() => meter.skip(1.5), RangeError);
  });

  it("takes less than 3 ms of CPU per second of sound", () => {
    const voice = machine[0] ?? new Float32Array();
    const meter = createSpeechMeter();
    meter.push(voice);
    const began = process.cpuUsage();
    for (let i = 0; i < 10; i++) meter.push(voice);
    const { user, system } = process.cpuUsage(began);
    const ms = (user + system) / 1_000 / ((10 * voice.length) / soundRate);
    assert.ok(ms < 3, `${ms.toFixed(2)} ms`);
  });
});
