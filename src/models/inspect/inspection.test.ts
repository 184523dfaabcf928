import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Draws } from "../safeear/draws.ts";
import { agreementOf } from "./agreement.ts";
import { bootstrap } from "./bootstrap.ts";
import { Inspection, sourcesOf } from "./inspection.ts";
import type { Heard } from "./listener.ts";
import { cutPieces } from "./pieces.ts";

const [width, stages, size] = [8, 3, 5];
const draws = new Draws(4);
const uniform = (): number => draws.bits() / 2 ** 31 - 1;
const bias = Float32Array.from({ length: width }, uniform);
const vectors = Array.from({ length: size * width }, uniform);

/** The first quantizer's code is the features; the others' say nothing of them. */
function tellingPiece(frames: number): Heard {
  const codes = Int32Array.from({ length: frames * stages }, () => draws.below(size));
  const projected = Float32Array.from({ length: frames * stages * width }, (_, i) => {
    const [t, stage, k] = [Math.floor(i / width / stages), Math.floor(i / width) % stages, i % width];
    return stage === 0 ? (vectors[(codes[t * stages] ?? 0) * width + k] ?? NaN) : uniform();
  });
  const features = Float32Array.from({ length: frames * width }, (_, i) => {
    const [t, k] = [Math.floor(i / width), i % width];
    return (projected[t * stages * width + k] ?? NaN) + (bias[k] ?? NaN);
  });
  return { frames, width, stages, features, codes, projected };
}

const near = (actual: number, expected: number, within: number): void =>
  assert.ok(Math.abs(actual - expected) < within, `${actual} is not about ${expected}`);

function there<T>(value: T | null | undefined): T {
  assert.ok(value !== null && value !== undefined);
  return value;
}

const holds = ([low, high]: readonly [number, number], value: number): void =>
  assert.ok(low <= value && value <= high, `${value} is not in ${low} to ${high}`);

describe("an inspection", () => {
  const lengths = [50, 80, 201, 201, 150, 60, 201, 120, 90, 77];
  const heard = lengths.map(tellingPiece);
  const inspection = new Inspection(sourcesOf(stages), bias, size);
  for (const piece of heard) inspection.add(piece);
  const { agreements, pieces, frames } = inspection.summary();
  const find = (name: string) => there(agreements.find(({ source }) => source.name === name));

  it("finds features that the first quantizer says, and chance where the others say nothing", () => {
    assert.deepEqual([pieces, frames], [10, 1230]);
    assert.deepEqual(
      agreements.map(({ source }) => [source.name, source.stages]),
      [
        ["first", [0]],
        ["acoustic", [1, 2]],
        ["quantizer 2", [1]],
        ["quantizer 3", [2]],
      ],
    );
    const [first, acoustic] = [find("first"), find("acoustic").perFrame];
    near(first.perFrame.value, 1, 1e-6);
    near(first.alongTime.value, 1, 1e-6);
    assert.ok(first.perFrame.chance < 0.9, `${first.perFrame.chance}`);
    assert.ok(there(first.perFrame.above)[0] > 0.1);
    near(acoustic.value - acoustic.chance, 0, 0.05);
    holds(there(acoustic.above), acoustic.value - acoustic.chance);
  });

  it("adds the sum of a source's projected vectors to the projection's bias, and weighs pieces by their frames", () => {
    const expected = heard.map((piece) => {
      const said = Float32Array.from({ length: piece.frames * width }, (_, i) => {
        const [t, k] = [Math.floor(i / width), i % width];
        const of = (stage: number): number => piece.projected[(t * stages + stage) * width + k] ?? NaN;
        return of(1) + of(2) + (bias[k] ?? NaN);
      });
      return agreementOf(said, piece.features, width).alongTime;
    });
    for (const part of ["value", "chance"] as const) {
      const mean = expected.reduce((sum, one, i) => sum + one[part] * (lengths[i] ?? NaN), 0) / frames;
      near(find("acoustic").alongTime[part], mean, 1e-6);
    }
  });

  it("says of a recording what its own pieces say", () => {
    const alone = new Inspection(sourcesOf(stages), bias, size);
    for (const piece of heard.slice(8)) alone.add(piece);
    assert.deepEqual(inspection.summary(8), alone.summary());
    assert.equal(alone.summary().agreements[0]?.perFrame.above, null, "two pieces make no interval");
    assert.throws(() => inspection.summary(10), RangeError);
  });

  it("recovers by learning what the first quantizer says, and nothing from the others", () => {
    const recovered = there(inspection.recovered());
    assert.equal(recovered.frames, 1230);
    assert.deepEqual(
      recovered.sources.map(({ source }) => source.name),
      ["first", "acoustic"],
    );
    const [first, acoustic] = recovered.sources.map(there);
    near(there(first).value, 1, 0.01);
    near(there(first).chance, 0, 0.05);
    near(there(acoustic).value, 0, 0.05);
    holds(there(there(first).interval), there(first).value);
  });

  it("learns nothing of too few pieces", () => {
    const few = new Inspection(sourcesOf(stages), bias, size);
    for (const piece of heard.slice(0, 7)) few.add(piece);
    assert.equal(few.recovered(), null);
  });
});

describe("an interval by resampling", () => {
  const values = Array.from({ length: 200 }, uniform);
  const mean = (drawn: Iterable<number>): number => {
    let [sum, n] = [0, 0];
    for (const i of drawn) [sum, n] = [sum + (values[i] ?? NaN), n + 1];
    return sum / n;
  };

  it("is as wide as the mean's standard error says, the same each time, and none of seven", () => {
    const [low, high] = there(bootstrap(200, mean));
    const centre = mean(values.keys());
    const variance = values.reduce((sum, x) => sum + (x - centre) ** 2, 0) / 200;
    const reach = 1.96 * Math.sqrt(variance / 200);
    near(low, centre - reach, 0.2 * reach);
    near(high, centre + reach, 0.2 * reach);
    assert.deepEqual(bootstrap(200, mean), [low, high]);
    assert.equal(bootstrap(7, mean), null);
    assert.ok(bootstrap(8, mean));
  });
});

describe("pieces of a recording", () => {
  it("are as few as can be, of nearly one length, and all of it", () => {
    for (const [length, expected] of [
      [100, [100]],
      [101, [51, 50]],
      [250, [83, 84, 83]],
    ] as const) {
      const samples = Float32Array.from({ length }, (_, i) => i);
      const pieces = cutPieces(samples, 100);
      assert.deepEqual(
        pieces.map((piece) => piece.length),
        expected,
      );
      assert.deepEqual(
        pieces.flatMap((piece) => [...piece]),
        [...samples],
      );
    }
  });
});
