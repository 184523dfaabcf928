import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InOrder } from "./in-order.ts";

describe("InOrder", () => {
  it("gives results in the order of the work, whatever finishes first, and runs no more at once than it may", async () => {
    const finish: (() => void)[] = [];
    const given: number[] = [];
    let running = 0;
    let most = 0;
    const work = Array.from({ length: 7 }, (_, index) => async () => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => {
        finish[index] = resolve;
      });
      running--;
      return index;
    });
    const done = new InOrder<number>(3, (result) => given.push(result)).run(work);
    for (const index of [2, 1, 3]) {
      finish[index]?.();
      await new Promise(setImmediate);
    }
    assert.deepEqual(given, []);
    for (const index of [0, 5, 4, 6]) {
      finish[index]?.();
      await new Promise(setImmediate);
    }
    await done;
    assert.deepEqual(given, [0, 1, 2, 3, 4, 5, 6]);
    assert.equal(most, 3);
  });

  it("fails with what its work fails with", async () => {
    const run = new InOrder(2, () => undefined).run([() => Promise.reject(new Error("a bug"))]);
    await assert.rejects(run, /a bug/);
  });
});
