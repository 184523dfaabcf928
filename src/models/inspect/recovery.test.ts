import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Draws } from "../safeear/draws.ts";
import { misaligned, recover, shareRecovered, type Corpus } from "./recovery.ts";

const [frames, width, stages, size] = [1200, 5, 3, 6];
const draws = new Draws(8);
const uniform = (): number => draws.bits() / 2 ** 31 - 1;
const vectors = Array.from({ length: stages * size * width }, uniform);
const codes = Int32Array.from({ length: frames * stages }, () => draws.below(size));
const bounds = Array.from({ length: 11 }, (_, i) => (i * frames) / 10);

/** Features that are a mean plus the vectors of the codes of some stages, and noise. */
function corpusOf(told: readonly number[], noise = 0): Corpus {
  const features = Float32Array.from({ length: frames * width }, (_, i) => {
    const [t, k] = [Math.floor(i / width), i % width];
    const said = told.map(
      (stage) => vectors[(stage * size + (codes[t * stages + stage] ?? 0)) * width + k] ?? NaN,
    );
    return 3 + said.reduce((sum, x) => sum + x, 0) + noise * uniform();
  });
  return { features, width, codes, stages, size, bounds };
}

describe("what codes tell of features to one who learns them anew", () => {
  it("is nearly all of what they determine, by one stage or by several", () => {
    assert.ok(shareRecovered(recover(corpusOf([0]), [0])) > 0.999);
    assert.ok(shareRecovered(recover(corpusOf([1, 2]), [1, 2])) > 0.999);
  });

  it("is the part that the stages heard determine", () => {
    const share = shareRecovered(recover(corpusOf([1, 2]), [1]));
    const vary = (stage: number): number => {
      const rows = vectors.slice(stage * size * width, (stage + 1) * size * width);
      const means = Array.from({ length: width }, (_, k) =>
        rows.reduce((sum, x, i) => sum + (i % width === k ? x / size : 0), 0),
      );
      return rows.reduce((sum, x, i) => sum + (x - (means[i % width] ?? NaN)) ** 2, 0);
    };
    const expected = vary(1) / (vary(1) + vary(2));
    assert.ok(Math.abs(share - expected) < 0.05, `${share} is not about ${expected}`);
  });

  it("is nothing where they tell nothing, or are another moment's", () => {
    const other = shareRecovered(recover(corpusOf([0], 0.5), [1, 2]));
    assert.ok(other < 0.01 && other > -0.05, `${other}`);
    const moved = shareRecovered(recover(misaligned(corpusOf([0], 0.5)), [0]));
    assert.ok(moved < 0.01 && moved > -0.05, `${moved}`);
  });

  it("is tested on no frame that was learned from", () => {
    // Every frame has a code of its own: to know it is to know the features, and it is never met again.
    const own = {
      ...corpusOf([0]),
      codes: Int32Array.from({ length: frames }, (_, i) => i),
      stages: 1,
      size: frames,
    };
    assert.ok(Math.abs(shareRecovered(recover(own, [0]))) < 1e-6);
  });

  it("is what ridge regression on the other pieces leaves over, computed plainly", () => {
    const corpus = corpusOf([0], 2);
    const shares = [2, 8, 32, 128, 512].map((shrinkage) => plainShare(corpus, shrinkage));
    const share = shareRecovered(recover(corpus, [0]));
    assert.ok(Math.abs(share - Math.max(...shares)) < 1e-5, `${share} is not of ${shares.join(", ")}`);
    assert.ok(share > 0.1 && share < 0.9);
  });

  it("counts pieces as often as they are given", () => {
    const residue = { left: Float64Array.of(1, 3), all: Float64Array.of(4, 4) };
    assert.equal(shareRecovered(residue), 0.5);
    assert.equal(shareRecovered(residue, [0, 0]), 0.75);
    assert.equal(shareRecovered({ left: Float64Array.of(0), all: Float64Array.of(0) }), 0);
  });
});

/** For the first stage, frame by frame: pieces 0–1, 2–4, 5–6 and 7–9 are predicted by the others. */
function plainShare({ features }: Corpus, shrinkage: number): number {
  const frameOf = (t: number): readonly number[] => [...features.subarray(t * width, (t + 1) * width)];
  let [left, all] = [0, 0];
  for (const [first, end] of [
    [0, 2],
    [2, 5],
    [5, 7],
    [7, 10],
  ] as const) {
    const heldOut = (t: number): boolean => t >= (bounds[first] ?? 0) && t < (bounds[end] ?? 0);
    const every = Array.from({ length: frames }, (_, t) => t);
    const known = every.filter((t) => !heldOut(t));
    const means = Array.from(
      { length: width },
      (_, k) => known.reduce((sum, t) => sum + (frameOf(t)[k] ?? NaN), 0) / known.length,
    );
    const table = Array.from({ length: size }, (_, code) => {
      const heard = known.filter((t) => codes[t * stages] === code);
      return means.map(
        (mean, k) =>
          heard.reduce((sum, t) => sum + (frameOf(t)[k] ?? NaN) - mean, 0) / (heard.length + shrinkage),
      );
    });
    for (const t of every.filter(heldOut)) {
      for (const [k, x] of frameOf(t).entries()) {
        const mean = means[k] ?? NaN;
        all += (x - mean) ** 2;
        left += (x - mean - (table[codes[t * stages] ?? -1]?.[k] ?? NaN)) ** 2;
      }
    }
  }
  return 1 - left / all;
}
