import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readAudio } from "../src/codec/read-audio.ts";
import { createPool, type Pool } from "../src/models/pool.ts";
import { openPack } from "../src/models/store.ts";
import type { Score, Window } from "../src/stream/ports.ts";
import { createResampler } from "../src/stream/resample.ts";
import { hertz, samples } from "../src/stream/units.ts";
import { packageRoot } from "./support/server.ts";
import { clipBytes } from "./support/wire-audio.ts";

interface Golden {
  readonly calibration: string;
  readonly clips: Readonly<Record<string, GoldenClip>>;
}
interface GoldenWindow {
  readonly start: number;
  readonly end: number;
  readonly llr: number;
  /** Whether the model will not judge it, as too far from its training. */
  readonly declined: boolean;
}
interface GoldenClip {
  readonly rate: number;
  readonly tolerance: number;
  readonly channels: readonly {
    readonly samples: number;
    readonly windows: readonly GoldenWindow[];
    readonly clip_llr: number;
  }[];
}

const length = 64_000;
const hop = 16_000;
// Written by training/golden.py; its own notes describe it.
const golden = JSON.parse(
  readFileSync(join(packageRoot, "test/fixtures/clips/golden.json"), "utf8"),
) as Golden;

/** What lies between `start` and `end`, repeated until it fills a window. */
function tiled(audio: Float32Array, start: number, end: number): Window {
  const span = end - start;
  const whole = Float32Array.from({ length }, (_, i) => audio[start + (i % span)] ?? 0);
  return {
    ...{ channel: 0, index: 0, provisional: span < length, samples: whole },
    ...{ start: samples(start), end: samples(end), fresh: samples(span) },
    ...{ speech: samples(span), freshSpeech: samples(span) },
    quality: { bandwidthHz: 8000, clipping: 0, lossRatio: 0 },
  };
}

function to16k(audio: Float32Array, rate: number): Float32Array {
  if (rate === 16_000) return audio;
  const resampler = createResampler(hertz(rate), hertz(16_000));
  return Float32Array.from([...resampler.push(audio), ...resampler.flush()]);
}

describe("the shipped detector in the real pool", { timeout: 60_000 }, () => {
  let pool: Pool;
  before(async () => {
    const pack = await openPack("default", [join(packageRoot, "models")]);
    pool = await createPool({ pack, workers: 1, providers: ["cpu"] });
  });
  after(() => pool.close());

  const score = (window: Window): Promise<Score> => pool.score(window, new AbortController().signal);

  it("is the one that the golden scores were made with", () => {
    const { calibrationId, pad, rate, window } = pool.spec;
    assert.deepEqual(
      { calibrationId, pad, rate, window },
      {
        ...{ calibrationId: golden.calibration, pad: "tile", rate: 16_000, window: length },
      },
    );
  });

  it("gives every golden window the LLR that training computed, and judges the same ones", async () => {
    let compared = 0;
    for (const [name, { channels, rate, tolerance }] of Object.entries(golden.clips)) {
      const audio = await readAudio(await clipBytes(name));
      assert.equal(audio.rate, rate, name);
      assert.equal(audio.channels.length, channels.length, name);
      for (const [c, channel] of channels.entries()) {
        const heard = to16k(audio.channels[c] ?? new Float32Array(0), rate);
        assert.equal(heard.length, channel.samples, name);
        let sum = 0;
        for (const { declined, end, llr, start } of channel.windows) {
          const { abstain, llr: ours } = await score(tiled(heard, start, end));
          assert.equal(abstain, declined ? "out_of_domain" : undefined, `${name} at ${start}`);
          assert.ok(Math.abs(ours - llr) <= tolerance, `${name} at ${start}: ${ours}, not ${llr}`);
          sum += (hop / length) * 4 * Math.tanh(ours / 4);
          compared++;
        }
        assert.ok(Math.abs(sum - channel.clip_llr) <= tolerance, `${name}: ${sum}, not ${channel.clip_llr}`);
      }
    }
    assert.equal(Object.keys(golden.clips).length, 12);
    assert.equal(compared, 18);
  });

  it("hears a difference that is larger than the tolerance when windows are cut elsewhere", async () => {
    const clip = golden.clips["machine_flite_slt.flac"];
    const first = clip?.channels[0]?.windows[0];
    assert.ok(clip && first);
    const [audio] = (await readAudio(await clipBytes("machine_flite_slt.flac"))).channels;
    assert.ok(audio);
    const shifted = await score(tiled(audio, first.start + 4000, first.end + 4000));
    assert.ok(Math.abs(shifted.llr - first.llr) > clip.tolerance);
  });
});
