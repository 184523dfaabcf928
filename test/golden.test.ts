import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readAudio } from "../src/codec/read-audio.ts";
import { createPool, type Pool } from "../src/models/pool.ts";
import { openPack } from "../src/models/store.ts";
import { Channel } from "../src/stream/channel.ts";
import type { DetectionDefaults, DetectorSpec, Score, Window } from "../src/stream/ports.ts";
import { resampleTrack } from "../src/stream/resample-track.ts";
import { Tally, type Answer } from "../src/stream/tally.ts";
import { hertz } from "../src/stream/units.ts";
import { passThrough } from "./support/fakes.ts";
import { packageRoot } from "./support/server.ts";
import { clipBytes } from "./support/wire-audio.ts";

interface Golden {
  readonly calibration: string;
  readonly clips: Readonly<Record<string, GoldenClip>>;
  /** LLRs of the windows of a long channel, null where the model declines, and the evidence and states that they lead to. */
  readonly wandering: {
    readonly samples: number;
    readonly llrs: readonly (number | null)[];
    readonly evidence: readonly number[];
    readonly states: readonly string[];
  };
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

const rate = hertz(16_000);
const length = 64_000;
// Written by training/golden.py; its own notes describe it.
const golden = JSON.parse(
  readFileSync(join(packageRoot, "test/fixtures/clips/golden.json"), "utf8"),
) as Golden;

/** The windows that the server cuts from a channel of which every sample is speech. */
function windowsOf(audio: Float32Array, spec: DetectorSpec, detection: DetectionDefaults): readonly Window[] {
  const channel = new Channel({
    ...{ channel: 0, spec, rate, clock: rate, resampler: passThrough() },
    ...{ hopMs: detection.hopMs, minSpeechMs: detection.minSpeechMs },
    meter: { push: () => undefined, skip: () => undefined, speech: (start, end) => end - start },
  });
  const found = [...channel.push({ kind: "audio", channel: 0, samples: audio }), ...channel.flush()];
  return found.flatMap((item) => (item.kind === "window" ? [item.window] : []));
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

  it("cuts the windows that training cut, gives each the LLR that training computed, and judges the same ones", async () => {
    let compared = 0;
    for (const [name, { channels, rate: from, tolerance }] of Object.entries(golden.clips)) {
      const audio = await readAudio(await clipBytes(name));
      assert.equal(audio.rate, from, name);
      assert.equal(audio.channels.length, channels.length, name);
      for (const [c, channel] of channels.entries()) {
        const track = audio.channels[c] ?? new Float32Array(0);
        const heard = resampleTrack(track, hertz(from), rate);
        assert.equal(heard.length, channel.samples, name);
        const tally = new Tally(pool.spec.detection, pool.spec.window, rate);
        const windows = windowsOf(heard, pool.spec, pool.spec.detection);
        assert.deepEqual(
          windows.map(({ start, end }) => [start, end]),
          channel.windows.map(({ start, end }) => [start, end]),
          name,
        );
        for (const [i, { declined, llr, start }] of channel.windows.entries()) {
          const window = windows[i];
          assert.ok(window);
          const ours = await score(window);
          assert.equal(ours.abstain, declined ? "out_of_domain" : undefined, `${name} at ${start}`);
          assert.ok(Math.abs(ours.llr - llr) <= tolerance, `${name} at ${start}: ${ours.llr}, not ${llr}`);
          tally.add(window, { kind: "scored", score: ours });
          compared++;
        }
        const { llr: sum } = tally.totals();
        assert.ok(sum !== null);
        assert.ok(Math.abs(sum - channel.clip_llr) <= tolerance, `${name}: ${sum}, not ${channel.clip_llr}`);
      }
    }
    assert.equal(Object.keys(golden.clips).length, 12);
    assert.equal(compared, 37);
  });

  it("follows evidence through the states that training computed", () => {
    const { evidence, llrs, samples, states } = golden.wandering;
    const windows = windowsOf(new Float32Array(samples), pool.spec, pool.spec.detection);
    assert.equal(windows.length, llrs.length);
    const tally = new Tally(pool.spec.detection, pool.spec.window, rate);
    const ours = windows.map((window, i) => {
      const llr = llrs[i] ?? null;
      const score = { llr: llr ?? 9, queueMs: 0, inferMs: 0 };
      const answer: Answer = {
        kind: "scored",
        score: llr === null ? { ...score, abstain: "out_of_domain" } : score,
      };
      const { llr: gathered } = tally.add(window, answer).rolling;
      const wanted = evidence[i] ?? NaN;
      assert.ok(Math.abs(gathered - wanted) < 1e-5, `window ${i}: ${gathered}, not ${wanted}`);
      return tally.state.state;
    });
    assert.deepEqual(ours, states);
    assert.deepEqual(new Set(ours), new Set(["undecided", "suspect", "spoof", "bonafide"]));
  });

  it("hears a difference that is larger than the tolerance when windows are cut elsewhere", async () => {
    const clip = golden.clips["machine_flite_slt.flac"];
    const first = clip?.channels[0]?.windows[0];
    assert.ok(clip && first);
    const [audio] = (await readAudio(await clipBytes("machine_flite_slt.flac"))).channels;
    assert.ok(audio);
    const [shifted] = windowsOf(audio.subarray(4000), pool.spec, pool.spec.detection);
    assert.ok(shifted);
    assert.ok(Math.abs((await score(shifted)).llr - first.llr) > clip.tolerance);
  });
});
