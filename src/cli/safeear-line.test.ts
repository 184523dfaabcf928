import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseOrder } from "../models/safeear/permutation.ts";
import { safeearLine } from "./safeear-line.ts";

const line = (bonafide: number, spoof: number, order = "0"): string =>
  safeearLine({ file: "a.flac", logits: { bonafide, spoof } }, parseOrder(order));

interface Printed {
  readonly label: readonly number[];
  readonly probs: readonly (readonly number[])[];
}

/** What the line says is the subject of the tests. */
const parsed = (text: string): Printed => JSON.parse(text) as Printed;

describe("SafeEar's line", () => {
  it("has the script's two keys first and in its shape, then the file and the seed", () => {
    assert.equal(line(0, 0, "5"), '{"label":[0],"probs":[[0.5,0.5]],"file":"a.flac","seed":5}');
    for (const order of ["identity", "flip"]) {
      assert.equal(line(0, 0, order), '{"label":[0],"probs":[[0.5,0.5]],"file":"a.flac"}');
    }
  });

  it("gives bona fide last and as label 1, the reverse of the network's order", () => {
    const human = parsed(line(2, -1));
    assert.deepEqual(human.label, [1]);
    assert.ok(Math.abs((human.probs[0]?.[1] ?? NaN) - 1 / (1 + Math.exp(-3))) < 1e-15);
    const machine = parsed(line(-1, 2));
    assert.deepEqual(machine.label, [0]);
    assert.deepEqual(machine.probs[0], [...(human.probs[0] ?? [])].reverse());
  });

  it("is a softmax, finite however far apart the logits are", () => {
    for (const [bonafide, spoof] of [
      [0.3, 0.1],
      [-40, 7],
      [1e4, -1e4],
    ] as const) {
      const [pair = []] = parsed(line(bonafide, spoof)).probs;
      assert.equal(pair.length, 2);
      assert.ok(Math.abs((pair[0] ?? NaN) + (pair[1] ?? NaN) - 1) < 1e-12);
    }
  });

  it("names what could not be scored, as the other formats do", () => {
    const error = { code: "message_too_large", message: "too long" } as const;
    assert.equal(
      safeearLine({ file: "a.flac", error }, parseOrder("0")),
      '{"file":"a.flac","error":{"code":"message_too_large","message":"too long"}}',
    );
  });
});
