import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { detection } from "../../test/support/fakes.ts";
import type { DetectionDefaults, Window } from "./ports.ts";
import { type Answer, Tally } from "./tally.ts";
import { hertz, samples } from "./units.ts";

const rate = hertz(16_000);
const length = samples(64_000);
const scored = (llr: number): Answer => ({ kind: "scored", score: { llr, queueMs: 0, inferMs: 0 } });

function window(index: number, hopMs = 1000, speechShare = 1): Window {
  const hop = (hopMs * rate) / 1000;
  return {
    channel: 0,
    index,
    start: samples(index * hop),
    end: samples(index * hop + length),
    provisional: false,
    fresh: samples(hop),
    speech: samples(length * speechShare),
    freshSpeech: samples(hop * speechShare),
    quality: { bandwidthHz: 8000, clipping: 0, lossRatio: 0 },
    samples: new Float32Array(0),
  };
}

function run(llrs: readonly number[], overrides: Partial<DetectionDefaults> = {}): Tally {
  const tally = new Tally({ ...detection, ...overrides }, length, rate);
  for (const [index, llr] of llrs.entries()) tally.add(window(index, overrides.hopMs), scored(llr));
  return tally;
}

const rolling = (tally: Tally, index: number, hopMs = 1000): number =>
  tally.add(window(index, hopMs), { kind: "silent" }).rolling.llr;

/** Deterministic noise in [-1, 1). */
function noise(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return x / 2 ** 31 - 1;
  };
}

describe("Tally", () => {
  it("has the same limit on constant input for a hop of 1 s and of 2 s", () => {
    for (const llr of [-3, -0.4, 0.7, 5]) {
      const one = new Tally({ ...detection, hopMs: 1000 }, length, rate);
      const two = new Tally({ ...detection, hopMs: 2000 }, length, rate);
      let a = 0;
      let b = 0;
      for (let i = 0; i < 400; i++) a = one.add(window(i, 1000), scored(llr)).rolling.llr;
      for (let i = 0; i < 200; i++) b = two.add(window(i, 2000), scored(llr)).rolling.llr;
      assert.ok(Math.abs(a - b) < 1e-3 * Math.abs(a), `${a} and ${b}`);
      const limit = (4 * Math.tanh(llr / 4) * detection.halfLifeS) / (Math.LN2 * 4);
      assert.ok(Math.abs(a - limit) < 1e-3 * Math.abs(limit), `${a}, not ${limit}`);
    }
  });

  it("never lets one window turn bonafide into spoof, whatever the settings", () => {
    const random = noise(7);
    for (let trial = 0; trial < 300; trial++) {
      const hopMs = 250 + 20 * Math.floor((random() + 1) * 118);
      const thresholds = { suspect: 0.6, spoof: 0.6, bonafide: 0.45, suspectExit: 0.5, spoofExit: 0.5 };
      const tally = new Tally({ ...detection, hopMs, llrBound: 20, thresholds }, length, rate);
      for (let i = 0; i < 40; i++) {
        const before = tally.state.state;
        tally.add(window(i, hopMs), scored(40 * random()));
        assert.ok(!(before === "bonafide" && tally.state.state === "spoof"), `trial ${trial}, window ${i}`);
      }
    }
  });

  it("never lowers P(spoof) for more evidence of spoof", () => {
    const random = noise(11);
    for (let trial = 0; trial < 200; trial++) {
      const llrs = Array.from({ length: 12 }, () => 6 * random());
      const at = trial % 12;
      const more = llrs.map((x, i) => (i === at ? x + 1 + random() : x));
      assert.ok(rolling(run(more), 12) > rolling(run(llrs), 12));
      assert.ok((run(more).totals().llr ?? 0) > (run(llrs).totals().llr ?? 0));
    }
  });

  it("moves the posterior little when windows inside a half-life change places", () => {
    const random = noise(13);
    for (let trial = 0; trial < 100; trial++) {
      const llrs = Array.from({ length: 10 }, () => 3 * random());
      const other = [...llrs].reverse();
      assert.ok(Math.abs(rolling(run(llrs), 10) - rolling(run(other), 10)) < 1.2);
      assert.ok(Math.abs((run(llrs).totals().llr ?? 0) - (run(other).totals().llr ?? 0)) < 1e-9);
    }
  });

  it("sums a recording undecayed, bounded and weighted by hop over window", () => {
    const llrs = [2, -1, 30];
    const expected = llrs.reduce((sum, x) => sum + 0.25 * 4 * Math.tanh(x / 4), 0);
    assert.ok(Math.abs((run(llrs).totals().llr ?? 0) - expected) < 1e-12);
  });

  it("halves live evidence in a half-life of speech, and not in silence", () => {
    const tally = run([3, 3, 3]);
    const before = tally.add(window(3), { kind: "silent" }).rolling.llr;
    const quiet = tally.add(window(4, 1000, 0), { kind: "silent" }).rolling.llr;
    assert.ok(Math.abs(quiet - before) < 1e-12);
    let after = quiet;
    for (let i = 0; i < 20; i++) after = tally.add(window(5 + i), { kind: "silent" }).rolling.llr;
    assert.ok(Math.abs(after - quiet / 2) < 1e-9);
  });

  it("abstains with the reason, keeps the LLR, and leaves the state alone", () => {
    const cases: [Partial<Window>, Answer, string][] = [
      [{ speech: samples(8000) }, scored(3), "too_little_speech"],
      [{ quality: { bandwidthHz: 8000, clipping: 0, lossRatio: 0.3 } }, scored(3), "gap"],
      [{ quality: { bandwidthHz: 8000, clipping: 0.2, lossRatio: 0 } }, scored(3), "low_quality"],
      [
        {},
        { kind: "scored", score: { llr: 3, abstain: "out_of_domain", queueMs: 0, inferMs: 0 } },
        "out_of_domain",
      ],
      [{ speech: samples(0) }, { kind: "silent" }, "no_speech"],
    ];
    for (const [change, answer, reason] of cases) {
      const tally = new Tally(detection, length, rate);
      const said = tally.add({ ...window(0), ...change }, answer);
      assert.deepEqual(said.verdict, { verdict: "undecided", pSpoof: null, reason });
      assert.equal(said.llr, answer.kind === "scored" ? 3 : null);
      assert.equal(said.rolling.pSpoof, null);
      assert.deepEqual(tally.state, { state: "undecided", reason });
      assert.equal(tally.totals().undecided, 1);
      assert.equal(tally.totals().llr === null, answer.kind === "silent");
    }
  });

  it("applies the prior to a window's probability and to the state", () => {
    const said = new Tally({ ...detection, prior: 0.1 }, length, rate).add(window(0), scored(1));
    assert.ok(Math.abs((said.verdict.pSpoof ?? 0) - 1 / (1 + Math.exp(-(1 + Math.log(1 / 9))))) < 1e-12);
    assert.equal(said.verdict.verdict, "bonafide");
  });

  it("becomes undecided for overload after three windows in a row without an answer, and recovers", () => {
    const tally = run(Array.from({ length: 12 }, () => 6));
    tally.miss("shed");
    tally.miss("worker_lost");
    assert.equal(tally.totals().state, "spoof");
    tally.miss("shed");
    assert.deepEqual({ ...tally.state }, { state: "undecided", reason: "overload" });
    tally.add(window(12), scored(6));
    assert.equal(tally.totals().state, "spoof");
    assert.equal(tally.totals().shed, 2);
    assert.equal(tally.totals().windows, 16);
  });

  it("forgets the live evidence at a reset, ignores late windows of before it, and keeps the recording's sum", () => {
    const tally = run(Array.from({ length: 12 }, () => 6));
    const sum = tally.totals().llr ?? 0;
    tally.reset(samples(20 * rate));
    assert.equal(tally.state.state, "undecided");
    const late = tally.add(window(12), scored(6));
    assert.equal(late.rolling.windows, 0);
    assert.ok((tally.totals().llr ?? 0) > sum);
    assert.equal(tally.add(window(20), scored(-2)).rolling.windows, 1);
  });
});
