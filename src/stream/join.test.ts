import assert from "node:assert/strict";
import { it } from "node:test";
import { joinBlocks } from "./join.ts";

it("blocks are joined in their order, into a buffer of their own", () => {
  const blocks = [Float32Array.of(1, 2), new Float32Array(0), Float32Array.of(3)];
  const whole = joinBlocks(blocks);
  assert.deepEqual([...whole], [1, 2, 3]);
  assert.notEqual(joinBlocks(blocks.slice(0, 1)).buffer, blocks[0]?.buffer);
  assert.equal(joinBlocks([]).length, 0);
});
