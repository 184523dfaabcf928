import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it, type TestContext } from "node:test";
import { readNumbers } from "../../../test/support/npy.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { openCheckpoint, type Checkpoint } from "./checkpoint.ts";
import { TensorRef } from "./values.ts";

async function opened(t: TestContext, name: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(sharedFixture(name));
  t.after(() => checkpoint.close());
  return checkpoint;
}

/** The keys, shapes and types of a list with one tensor a line, tab-separated. */
async function listed(name: string): Promise<readonly string[]> {
  const text = await readFile(sharedFixture(name), "utf8");
  return text.split("\n").filter((line) => line !== "");
}

/** A tensor's line as such a list has it: Python's way of writing a shape. */
function line(key: string, shape: readonly number[], dtype: string): string {
  return `${key}\t(${shape.join(", ")}${shape.length === 1 ? "," : ""})\t${dtype}`;
}

const arrays = [
  "f32",
  "view_off",
  "view_T",
  "whole",
  "f16",
  "bf16",
  "f64",
  "i64",
  "i32",
  "i16",
  "i8",
  "u8",
  "bool",
];
const edges = ["scalar", "empty", "expanded"];

describe("checkpoints that PyTorch wrote", () => {
  for (const name of ["ptformat/mixed.pt", "ptformat/mixed.legacy.pt"]) {
    it(`gives every array of ${name}`, { skip: withoutFixture("ptformat") }, async (t) => {
      const checkpoint = await opened(t, name);
      const state = checkpoint.stateDict("model");
      assert.deepEqual([...state.keys()].sort(), [...arrays, ...edges].sort());
      for (const key of state.keys()) {
        const { shape, data } = await readNumbers(sharedFixture(`ptformat/${key}.npy`));
        assert.deepEqual(state.shape(key), shape, key);
        assert.deepEqual(await state.float32(key), Float32Array.from(data), key);
        if (!/int|bool/.test(state.dtype(key))) continue;
        assert.deepEqual(await state.int64(key), BigInt64Array.from(data, BigInt), key);
      }
      assert.ok(checkpoint.root instanceof Map);
      const parameter: unknown = checkpoint.root.get("param");
      assert.ok(parameter instanceof TensorRef);
      const { shape, data } = await readNumbers(sharedFixture("ptformat/param.npy"));
      assert.deepEqual(parameter.shape, shape);
      assert.deepEqual(await checkpoint.float32(parameter), Float32Array.from(data));
    });
  }

  const published = [
    { name: "safeear-small/model.ckpt", keys: "safeear-small/keys.txt", path: ["state_dict"] },
    { name: "hubert-tiny/hubert_tiny.pt", keys: "hubert-tiny/keys.txt", path: ["model"] },
    { name: "hubert-tiny/hubert_tiny.legacy.pt", keys: "hubert-tiny/keys.txt", path: ["model"] },
    { name: "aasist/AASIST.pth", keys: "../specs/aasist.keys.txt", path: [] },
    { name: "aasist/AASIST-L.pth", keys: "../specs/aasist-l.keys.txt", path: [] },
  ];
  for (const { name, keys, path } of published) {
    const skip = withoutFixture(name) || withoutFixture(keys);
    it(`finds each tensor of ${name}, with its shape and type`, { skip }, async (t) => {
      const checkpoint = await opened(t, name);
      const state = checkpoint.stateDict(...path);
      const found = state.keys().map((key) => line(key, state.shape(key), state.dtype(key)));
      assert.deepEqual(found, await listed(keys));
      assert.deepEqual(checkpoint.stateDict().keys(), state.keys());
      for (const key of state.keys()) {
        const values = await state.float32(key);
        assert.equal(
          values.length,
          state.shape(key).reduce((product, size) => product * size, 1),
          key,
        );
        assert.ok(values.every(Number.isFinite), key);
      }
    });
  }

  const tokenizer = "safeear-small/SpeechTokenizer.pt";
  it(
    `finds in ${tokenizer} what model.ckpt has under decouple_model`,
    { skip: withoutFixture(tokenizer) },
    async (t) => {
      const [alone, whole] = [await opened(t, tokenizer), await opened(t, "safeear-small/model.ckpt")];
      const [bare, prefixed] = [alone.stateDict(), whole.stateDict()];
      const shared = bare.keys().filter((key) => prefixed.has(`decouple_model.${key}`));
      assert.equal(bare.keys().length, 166);
      assert.ok(shared.length > 100, `${shared.length} in common`);
      for (const key of shared)
        assert.deepEqual(bare.shape(key), prefixed.shape(`decouple_model.${key}`), key);
    },
  );

  it(
    "reads of a checkpoint what is asked for",
    { skip: withoutFixture("safeear-small/model.ckpt") },
    async (t) => {
      const checkpoint = await opened(t, "safeear-small/model.ckpt");
      const state = checkpoint.stateDict();
      await state.float32(state.keys()[0] ?? "");
      assert.ok(checkpoint.bytesRead < 200_000, `${checkpoint.bytesRead} of 9.5 million bytes`);
    },
  );
});
