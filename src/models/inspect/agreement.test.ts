import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Draws } from "../safeear/draws.ts";
import { agreementOf } from "./agreement.ts";

type Rows = readonly (readonly number[])[];

const draws = new Draws(3);
const random = (frames: number, width: number, lean = 0): Rows =>
  Array.from({ length: frames }, () =>
    Array.from({ length: width }, (_, i) => draws.bits() / 2 ** 31 - 1 + lean * (i % 3)),
  );
const flat = (rows: Rows): Float32Array => Float32Array.from(rows.flat());
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * (b[i] ?? NaN), 0);
const cosine = (a: readonly number[], b: readonly number[]): number =>
  dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const turned = (rows: Rows): Rows => (rows[0] ?? []).map((_, i) => rows.map((row) => row[i] ?? NaN));
const rowsAgree = (a: Rows, b: Rows): number => mean(a.map((row, i) => cosine(row, b[i] ?? [])));

function orders<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => orders(items.filter((_, j) => j !== i)).map((rest) => [item, ...rest]));
}

const isNear = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} is not ${expected}`);

describe("the agreement of two sequences of frames", () => {
  it("is their mean cosine per frame and along time, and by chance the mean of that over every order", () => {
    const [a, b] = [random(5, 4, 0.4), random(5, 4, 0.7)];
    const { perFrame, alongTime } = agreementOf(flat(a), flat(b), 4);
    isNear(perFrame.value, rowsAgree(a, b));
    isNear(alongTime.value, rowsAgree(turned(a), turned(b)));
    const every = orders(b);
    assert.equal(every.length, 120);
    isNear(perFrame.chance, mean(every.map((order) => rowsAgree(a, order))));
    isNear(alongTime.chance, mean(every.map((order) => rowsAgree(turned(a), turned(order)))));
  });

  it("is one of features with themselves at any scale, and by chance near none where they do not lean", () => {
    const a = flat(random(400, 6));
    const { perFrame, alongTime } = agreementOf(
      a,
      a.map((x) => 2.5 * x),
      6,
    );
    isNear(perFrame.value, 1);
    isNear(alongTime.value, 1);
    assert.ok(Math.abs(perFrame.chance) < 0.01, `${perFrame.chance}`);
    assert.ok(Math.abs(alongTime.chance) < 0.01, `${alongTime.chance}`);
  });

  it("is no more than chance of features that only lean the same way", () => {
    const { perFrame, alongTime } = agreementOf(flat(random(400, 6, 3)), flat(random(400, 6, 3)), 6);
    assert.ok(perFrame.value > 0.8 && alongTime.value > 0.5, `${perFrame.value}, ${alongTime.value}`);
    assert.ok(Math.abs(perFrame.value - perFrame.chance) < 0.01, `${perFrame.chance}`);
    assert.ok(Math.abs(alongTime.value - alongTime.chance) < 0.03, `${alongTime.chance}`);
  });

  it("is none with a side that is zero", () => {
    const none = { value: 0, chance: 0 };
    const agreement = agreementOf(new Float32Array(12), flat(random(3, 4)), 4);
    assert.deepEqual(agreement, { perFrame: none, alongTime: none });
  });
});
