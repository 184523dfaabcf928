import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { equalErrorInterval } from "./bootstrap.ts";
import { fitCalibration } from "./calibration-fit.ts";
import { cllr, minCllr, weightedCllr, type WeightedScore } from "./cllr.ts";
import { detPlot } from "./det-plot.ts";
import { detCurve, deviate } from "./det.ts";
import { equalErrorRate } from "./equal-error-rate.ts";
import { operatingPoints, type LabelledScores } from "./operating-points.ts";
import { asvErrors, minTandemCost } from "./tandem-cost.ts";

const scores = (spoof: readonly number[], bonafide: readonly number[]): LabelledScores => ({
  spoof: Float64Array.from(spoof),
  bonafide: Float64Array.from(bonafide),
});

const near = (actual: number, expected: number, tolerance = 1e-9): void => {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
};

const rateOf = (labelled: LabelledScores): number => equalErrorRate(operatingPoints(labelled)).rate;

describe("operatingPoints", () => {
  it("begins with everything called spoof and moves one score at a time", () => {
    const { thresholds, rejected, accepted } = operatingPoints(scores([3, 1], [0, 2, -1, 1]));
    assert.deepEqual([...thresholds], [-Infinity, -1, 0, 1, 2, 3]);
    assert.deepEqual([...rejected], [1, 0.75, 0.5, 0.25, 0, 0]);
    assert.deepEqual([...accepted], [0, 0, 0, 0.5, 0.5, 1]);
  });

  it("refuses an empty class and scores that are no numbers", () => {
    assert.throws(() => operatingPoints(scores([], [1])), /no spoof trial/);
    assert.throws(() => operatingPoints(scores([1], [])), /no bona fide trial/);
    assert.throws(() => operatingPoints(scores([1, NaN], [1])), /not a finite number/);
  });
});

describe("equalErrorRate", () => {
  it("is 0 where a threshold separates the classes and 1 where they are swapped", () => {
    near(rateOf(scores([2, 3], [0, 1])), 0);
    near(rateOf(scores([0, 1], [2, 3])), 1);
  });

  it("is a half where every score is the same", () => {
    near(rateOf(scores([0, 0, 0], [0, 0])), 0.5);
  });

  it("is the rate at which both errors are equal", () => {
    // Up to 1: a quarter of the machines accepted, a quarter of the humans rejected.
    const found = equalErrorRate(operatingPoints(scores([1, 4, 5, 6], [-2, -1, 0, 2])));
    near(found.rate, 0.25);
    assert.equal(found.threshold, 1);
  });

  it("interpolates between the two points around equality", () => {
    // (accepted, rejected): … (0, 1/2) at 0, (1/3, 1/2) at 1, (1/3, 0) at 2: equal on the last segment at 1/3.
    near(rateOf(scores([1, 4, 5], [0, 2])), 1 / 3);
    // A tie moves both at once, from (0, 1/2) to (1/2, 0): they meet in the middle.
    near(rateOf(scores([1, 4], [0, 1])), 0.25);
  });

  it("does not change under a rising map of the scores", () => {
    const spoof = [0.3, 1.2, -0.4, 2.2, 0.9];
    const bonafide = [-1, 0.5, 0.31, -2];
    const mapped = (values: readonly number[]) => values.map((x) => Math.exp(3 * x) - 7);
    near(rateOf(scores(mapped(spoof), mapped(bonafide))), rateOf(scores(spoof, bonafide)));
  });
});

describe("equalErrorInterval", () => {
  /** Two triangles that overlap: an error rate that is not 0. */
  const overlapping = (count: number): LabelledScores =>
    scores(
      Array.from({ length: count }, (_, i) => (i / count) * 2),
      Array.from({ length: count }, (_, i) => (i / count) * 2 - 1),
    );

  it("holds the rate, is the same every time, and narrows with more trials", () => {
    const widths = [40, 1000].map((count) => {
      const [low, high] = equalErrorInterval(overlapping(count));
      assert.deepEqual(equalErrorInterval(overlapping(count)), [low, high]);
      const rate = rateOf(overlapping(count));
      assert.ok(low < rate && rate < high, `${low} ${rate} ${high}`);
      return high - low;
    });
    // The standard error of a share of 1/4 falls with the root of the trials: 5 times.
    const ratio = (widths[0] ?? 0) / (widths[1] ?? 1);
    assert.ok(ratio > 3 && ratio < 8, `${ratio}`);
  });
});

describe("asvErrors", () => {
  it("takes the threshold where misses and false alarms are equal", () => {
    const asv = asvErrors({
      target: Float64Array.of(1, 3, 4, 5),
      nontarget: Float64Array.of(-2, -1, 0, 2),
      spoof: Float64Array.of(0.5, 1, 2.5, 6, 7),
    });
    // Accepting above 1: one target of four missed, one non-target of four accepted, three spoofs of five.
    assert.deepEqual(asv, { missTarget: 0.25, acceptNontarget: 0.25, acceptSpoof: 0.6, threshold: 1 });
  });
});

describe("minTandemCost", () => {
  const asv = { missTarget: 0.05, acceptNontarget: 0.05, acceptSpoof: 0.6, threshold: 0 };
  // By hand from the evaluation plan: C1 = 0.9405 · (1 − 0.05) − 0.0095 · 10 · 0.05, C2 = 10 · 0.05 · 0.6.
  const [c1, c2] = [0.888725, 0.3];
  const c0 = 0.9405 * 0.05 + 0.0095 * 10 * 0.05;

  it("has the coefficients of the ASVspoof 2019 evaluation plan", () => {
    const cost = minTandemCost(operatingPoints(scores([1], [0])), asv);
    near(cost.c0, c0);
    near(cost.c1, c1);
    near(cost.c2, c2);
  });

  it("is 0 for a countermeasure that never errs, and then the revised one is what verification costs", () => {
    const cost = minTandemCost(operatingPoints(scores([2, 3], [0, 1])), asv);
    near(cost.min, 0);
    near(cost.revised, c0 / (c0 + c2));
    assert.equal(cost.threshold, 1);
  });

  it("is 1 for a countermeasure that is no use", () => {
    const cost = minTandemCost(operatingPoints(scores([0, 1], [2, 3])), asv);
    near(cost.min, 1);
    near(cost.revised, 1);
  });

  it("takes the cheapest threshold", () => {
    // Choices: reject 1/4 of the humans and accept none (0.2222), accept 1/4 of the machines and reject none (0.075).
    const cost = minTandemCost(operatingPoints(scores([1, 4, 5, 6], [-2, -1, 0, 2])), asv);
    near(cost.min, (c2 * 0.25) / c2);
    assert.equal(cost.threshold, 2);
  });

  it("refuses a verification system that is useless", () => {
    const useless = { missTarget: 1, acceptNontarget: 1, acceptSpoof: 1, threshold: 0 };
    assert.throws(() => minTandemCost(operatingPoints(scores([1], [0])), useless), /errs too often/);
  });
});

describe("cllr", () => {
  it("is 1 bit for no evidence and 0 for perfect evidence", () => {
    near(cllr(scores([0, 0], [0])), 1);
    near(cllr(scores([1000], [-1000])), 0);
  });

  it("is the mean penalty of each class, each counting half", () => {
    // ln 3 for a machine costs log2(1 + 1/3); ln 7 and 0 for humans cost 3 and 1 bits.
    const expected = (Math.log2(4 / 3) + (3 + 1) / 2) / 2;
    near(cllr(scores([Math.log(3)], [Math.log(7), 0])), expected);
  });

  it("counts weighted scores as if they were there so often", () => {
    const weighted: WeightedScore[] = [
      { score: 1, isSpoof: true, weight: 2 },
      { score: -1, isSpoof: true, weight: 1 },
      { score: 0.5, isSpoof: false, weight: 4 },
    ];
    near(weightedCllr(weighted), cllr(scores([1, 1, -1], [0.5])));
  });
});

describe("minCllr", () => {
  it("is 0 where the classes are separable and 1 where the scores say nothing or the opposite", () => {
    near(minCllr(scores([2, 3], [0, 1])), 0);
    near(minCllr(scores([1, 1, 1], [1, 1])), 1);
    near(minCllr(scores([0, 1], [2, 3])), 1);
  });

  it("pools what is out of order", () => {
    // In order: H M H M. The middle two pool to LLR 0 at a share of 1/2 of each class; the outer two cost nothing.
    near(minCllr(scores([1, 3], [0, 2])), 0.5);
  });

  it("is never above the cost of the scores themselves", () => {
    const labelled = scores([0.3, 1.2, -0.4, 2.2], [-1, 0.5, 0.31, -2]);
    assert.ok(minCllr(labelled) <= cllr(labelled));
  });
});

describe("fitCalibration", () => {
  const each = (isSpoof: boolean, values: readonly number[]): WeightedScore[] =>
    values.map((score) => ({ score, isSpoof, weight: 1 }));
  const repeat = (score: number, times: number): number[] => Array.from({ length: times }, () => score);

  it("finds the log-odds that the counts have", () => {
    // Two scores with likelihood ratios 3 and 1/3: a·1 + b = ln 3 and a·(−1) + b = −ln 3, but for the smoothed labels.
    const n = 40_000;
    const labelled = [
      ...each(true, [...repeat(1, n * 0.75), ...repeat(-1, n * 0.25)]),
      ...each(false, [...repeat(1, n * 0.25), ...repeat(-1, n * 0.75)]),
    ];
    const { a, b } = fitCalibration(labelled, { spoofs: n, bonafides: n });
    near(a, Math.log(3), 1e-3);
    near(b, 0, 1e-6);
    const shifted = labelled.map((one) => ({ ...one, score: 5 * one.score + 20 }));
    const fitted = fitCalibration(shifted, { spoofs: n, bonafides: n });
    near(fitted.a, a / 5, 1e-9);
    near(fitted.b, b - 4 * a, 1e-6);
  });

  it("gives an LLR that does not depend on how many of each class there are, nor on the prior where the line fits", () => {
    const labelled = [
      ...each(true, [...repeat(1, 750), ...repeat(-1, 250)]),
      ...each(false, [...repeat(1, 2500), ...repeat(-1, 7500)]),
    ];
    for (const prior of [0.1, 0.5, 0.8]) {
      const { a, b } = fitCalibration(labelled, { prior, spoofs: 1e6, bonafides: 1e6 });
      near(a, Math.log(3), 1e-4);
      near(b, 0, 1e-4);
    }
  });

  it("stays finite where the classes are separable, and is better than nothing", () => {
    const labelled = [...each(true, [2, 3, 4]), ...each(false, [-3, -2, 0])];
    const { a, b } = fitCalibration(labelled, { spoofs: 3, bonafides: 3 });
    assert.ok(a > 0 && a < 10 && Number.isFinite(b), `${a} ${b}`);
    const cost = weightedCllr(labelled.map((one) => ({ ...one, score: a * one.score + b })));
    assert.ok(cost < 0.6, `${cost}`);
  });

  it("turns round what points the wrong way, for the caller to see", () => {
    assert.ok(
      fitCalibration([...each(true, [0, 1]), ...each(false, [2, 3])], { spoofs: 2, bonafides: 2 }).a < 0,
    );
  });

  it("refuses one class alone and scores that do not differ", () => {
    assert.throws(() => fitCalibration(each(true, [1, 2]), { spoofs: 2, bonafides: 0 }), /both classes/);
    const equal = [...each(true, [1]), ...each(false, [1])];
    assert.throws(() => fitCalibration(equal, { spoofs: 1, bonafides: 1 }), /all equal/);
  });
});

describe("the DET plot", () => {
  it("has deviates of the normal distribution as axes", () => {
    // Quantiles from tables.
    for (const [p, x] of [
      [0.5, 0],
      [0.975, 1.959963985],
      [0.99, 2.326347874],
      [0.001, -3.090232306],
      [0.2, -0.841621234],
    ] as const) {
      near(deviate(p), x, 1e-8);
    }
  });

  it("thins the curve, whatever the number of trials, and keeps its ends", () => {
    const count = 20_000;
    const spoof = Array.from({ length: count }, (_, i) => i / count + 0.2);
    const points = detCurve(
      operatingPoints(
        scores(
          spoof,
          spoof.map((x) => x - 0.2),
        ),
      ),
    );
    assert.ok(points.length > 100 && points.length < 3000, `${points.length}`);
    near(points[0]?.y ?? NaN, deviate(0.9995));
    near(points.at(-1)?.x ?? NaN, deviate(0.9995));
    for (const { x, y } of points) assert.ok(Math.abs(x) < 3.3 && Math.abs(y) < 3.3);
  });

  it("draws each curve with its label, escaped", () => {
    const points = detCurve(operatingPoints(scores([1, 4, 5, 6], [-2, -1, 0, 2])));
    const svg = detPlot("a & b", [
      { label: "clean <1>", points },
      { label: "mulaw8k", points },
    ]);
    assert.match(svg, /^<svg [^]*<\/svg>\n$/);
    assert.equal(svg.match(/clip-path="url/g)?.length, 2);
    assert.ok(svg.includes("a &amp; b") && svg.includes("clean &lt;1&gt;") && svg.includes("mulaw8k"));
    assert.ok(!svg.includes("NaN"));
  });
});
