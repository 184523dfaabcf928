import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import {
  CheckpointWriter,
  fileOf,
  forms,
  ordered,
  rowMajor,
  storage,
} from "../../../test/support/checkpoint-bytes.ts";
import { PyCall, PyName, PyTuple } from "../../../test/support/pickle-bytes.ts";
import type { ZipShape } from "../../../test/support/zip-bytes.ts";
import { openCheckpoint, type Checkpoint } from "./checkpoint.ts";
import { CheckpointError } from "./errors.ts";
import { Global, Inert, TensorRef } from "./values.ts";

const floats = (key: string, values: readonly number[]) =>
  storage(key, "FloatStorage", Float32Array.from(values));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function opened(t: TestContext, bytes: Uint8Array): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(fileOf(t, bytes));
  t.after(() => checkpoint.close());
  return checkpoint;
}

function mapAt(value: unknown, key: unknown): unknown {
  assert.ok(value instanceof Map);
  assert.ok(value.has(key), String(key));
  return value.get(key);
}

const wide: ZipShape = { wide: true };

for (const form of forms) {
  describe(`a checkpoint in the ${form} container`, () => {
    it("gives every float type as float32", async (t) => {
      const writer = new CheckpointWriter(form);
      const halves = [0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x0400, 0x7c00, 0xfc00, 0x7e00];
      const tree = new Map([
        ["f32", writer.tensor(floats("a", [1.5, -0.1, 3e38]))],
        ["f64", writer.tensor(storage("b", "DoubleStorage", Float64Array.of(0.1, -1e-50, 1e300)))],
        ["f16", writer.tensor(storage("c", "HalfStorage", Uint16Array.from(halves)))],
        ["bf16", writer.tensor(storage("d", "BFloat16Storage", Uint16Array.of(0x3f80, 0xc049, 0xff80)))],
      ]);
      const state = (await opened(t, writer.file(tree))).stateDict();
      assert.deepEqual(await state.float32("f32"), Float32Array.of(1.5, -0.1, 3e38));
      assert.deepEqual(await state.float32("f64"), Float32Array.of(0.1, -0, Infinity));
      const [smallest, subnormal, normal] = [2 ** -24, -1023 * 2 ** -24, 2 ** -14];
      const expected = [0, -0, 1, -2, 65504, smallest, subnormal, normal, Infinity, -Infinity, NaN];
      assert.deepEqual(await state.float32("f16"), Float32Array.from(expected));
      assert.deepEqual(await state.float32("bf16"), Float32Array.of(1, -3.140625, -Infinity));
      assert.deepEqual(
        state.keys().map((key) => state.dtype(key)),
        ["float32", "float64", "float16", "bfloat16"],
      );
    });

    it("gives every integer type exactly, and as float32", async (t) => {
      const writer = new CheckpointWriter(form);
      const tree = new Map([
        ["int8", writer.tensor(storage("a", "CharStorage", Int8Array.of(-128, 127)))],
        ["int16", writer.tensor(storage("b", "ShortStorage", Int16Array.of(-32768, 32767)))],
        ["int32", writer.tensor(storage("c", "IntStorage", Int32Array.of(-(2 ** 31), 2 ** 31 - 1)))],
        ["int64", writer.tensor(storage("d", "LongStorage", BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)))],
        ["uint8", writer.tensor(storage("e", "ByteStorage", Uint8Array.of(0, 255)))],
        ["bool", writer.tensor(storage("f", "BoolStorage", Uint8Array.of(0, 7)))],
      ]);
      const state = (await opened(t, writer.file(tree))).stateDict();
      const expected: Record<string, readonly [bigint, bigint]> = {
        int8: [-128n, 127n],
        int16: [-32768n, 32767n],
        int32: [-(2n ** 31n), 2n ** 31n - 1n],
        int64: [-(2n ** 63n), 2n ** 63n - 1n],
        uint8: [0n, 255n],
        bool: [0n, 1n],
      };
      for (const [key, values] of Object.entries(expected)) {
        assert.equal(state.dtype(key), key);
        assert.deepEqual(await state.int64(key), BigInt64Array.from(values), key);
        assert.deepEqual(await state.float32(key), Float32Array.from(values, Number), key);
      }
    });

    it("gathers views by offset and strides, whatever else shares their storage", async (t) => {
      const writer = new CheckpointWriter(form);
      const shared = floats("s", upTo(24));
      const tree = new Map([
        ["whole", writer.tensor(shared)],
        ["tail", writer.tensor(shared, [2, 3], rowMajor([2, 3]), 18)],
        ["turned", writer.tensor(shared, [3, 2, 2], [1, 3, 12], 1)],
        ["column", writer.tensor(shared, [4, 1], [6, 1], 5)],
        ["repeated", writer.tensor(shared, [2, 3], [0, 1], 7)],
        ["scalar", writer.tensor(shared, [], [], 23)],
        ["empty", writer.tensor(shared, [0, 4])],
        ["nothing", writer.tensor(floats("n", []), [3, 0])],
      ]);
      const state = (await opened(t, writer.file(tree))).stateDict();
      const expected: Record<string, readonly number[]> = {
        whole: upTo(24),
        tail: [18, 19, 20, 21, 22, 23],
        turned: [1, 13, 4, 16, 2, 14, 5, 17, 3, 15, 6, 18],
        column: [5, 11, 17, 23],
        repeated: [7, 8, 9, 7, 8, 9],
        scalar: [23],
        empty: [],
        nothing: [],
      };
      for (const [key, values] of Object.entries(expected)) {
        assert.deepEqual(await state.float32(key), Float32Array.from(values), key);
      }
      assert.deepEqual(state.shape("turned"), [3, 2, 2]);
      assert.deepEqual(state.shape("scalar"), []);
    });

    it("gives each caller memory of its own", async (t) => {
      const writer = new CheckpointWriter(form);
      const state = (
        await opened(t, writer.file(new Map([["a", writer.tensor(floats("s", [1, 2]))]])))
      ).stateDict();
      const first = await state.float32("a");
      first.fill(9);
      assert.deepEqual(await state.float32("a"), Float32Array.of(1, 2));
    });

    it("unwraps parameters, and reads the other forms in which tensors are written", async (t) => {
      const writer = new CheckpointWriter(form);
      const inner = writer.tensor(floats("s", [1, 2, 3, 4]), [2, 2], [1, 2]);
      const utils = (name: string, ...args: unknown[]) =>
        new PyCall(new PyName("torch._utils", name), new PyTuple(...args));
      const bytes = storage("raw", "ByteStorage", new Uint8Array(Float32Array.of(5, 6).buffer));
      const untyped = { ...bytes, type: new PyName("torch.storage", "UntypedStorage") };
      const size = new PyTuple(new PyTuple(2), new PyTuple(1));
      const tree = new Map([
        ["parameter", utils("_rebuild_parameter", inner, true, ordered(new Map()))],
        ["stateful", utils("_rebuild_parameter_with_state", inner, true, ordered(new Map()), new Map())],
        ["old", utils("_rebuild_tensor", writer.reference(floats("o", [8, 9])), 0, ...size.items)],
        [
          "v3",
          utils(
            "_rebuild_tensor_v3",
            writer.reference(untyped),
            0,
            ...size.items,
            false,
            null,
            new PyName("torch", "float32"),
          ),
        ],
        [
          "float8",
          utils(
            "_rebuild_tensor_v3",
            writer.reference(untyped),
            0,
            ...size.items,
            false,
            null,
            new PyName("torch", "float8_e5m2"),
          ),
        ],
      ]);
      const checkpoint = await opened(t, writer.file(tree));
      const state = checkpoint.stateDict();
      assert.deepEqual(state.keys(), ["parameter", "stateful", "old", "v3"]);
      assert.deepEqual(await state.float32("parameter"), Float32Array.of(1, 3, 2, 4));
      assert.deepEqual(await state.float32("stateful"), Float32Array.of(1, 3, 2, 4));
      assert.deepEqual(await state.float32("old"), Float32Array.of(8, 9));
      assert.deepEqual(await state.float32("v3"), Float32Array.of(5, 6));
    });

    it("finds the tensors under the usual names, at a path, or at the top", async (t) => {
      for (const key of ["state_dict", "model", "generator"]) {
        const writer = new CheckpointWriter(form);
        const inner = ordered(new Map([["module.w", writer.tensor(floats("s", [4]))]]));
        const tree = new Map<string, unknown>([
          ["epoch", 3],
          [key, inner],
          ["deep", new Map([["er", inner]])],
        ]);
        const checkpoint = await opened(t, writer.file(tree));
        assert.deepEqual(checkpoint.stateDict().keys(), ["module.w"]);
        assert.deepEqual(checkpoint.stateDict(key).keys(), ["module.w"]);
        assert.deepEqual(checkpoint.stateDict("deep", "er").keys(), ["module.w"]);
      }
      const writer = new CheckpointWriter(form);
      const bare = await opened(t, writer.file(ordered(new Map([["w", writer.tensor(floats("s", [4]))]]))));
      assert.deepEqual(bare.stateDict().keys(), ["w"]);
      assert.ok(bare.stateDict().has("w") && !bare.stateDict().has("v"));
    });

    it("keeps objects of other classes as names and data, nothing more", async (t) => {
      const writer = new CheckpointWriter(form);
      const callback = new PyName("lightning.callbacks", "Checkpoint");
      const config = new PyCall(new PyName("argparse", "Namespace"), new PyTuple(), {
        asNew: true,
        state: new Map([["lr", 0.5]]),
      });
      const call = new PyCall(new PyName("os", "system"), new PyTuple("touch /tmp/owned"));
      const bound = new PyCall(
        new PyCall(new PyName("builtins", "getattr"), new PyTuple(callback, "run")),
        new PyTuple(),
      );
      const filled = new PyCall(new PyName("parsing", "AttributeDict"), new PyTuple(), {
        entries: new Map([["a", [1]]]),
      });
      const tree = new Map<string, unknown>([
        ["w", writer.tensor(floats("s", [4]))],
        ["callbacks", new Map([[callback, new Map([["best", "x.ckpt"]])]])],
        ["config", config],
        ["call", call],
        ["bound", bound],
        ["filled", filled],
      ]);
      const { root } = await opened(t, writer.file(tree));
      const callbacks = mapAt(root, "callbacks");
      assert.ok(callbacks instanceof Map);
      const key: unknown = callbacks.keys().next().value;
      assert.ok(key instanceof Global);
      assert.equal(key.text, "lightning.callbacks.Checkpoint");
      const namespace = mapAt(root, "config");
      assert.ok(namespace instanceof Inert);
      assert.deepEqual(namespace.state, new Map([["lr", 0.5]]));
      const system = mapAt(root, "call");
      assert.ok(system instanceof Inert);
      assert.deepEqual([system.global.text, system.args], ["os.system", ["touch /tmp/owned"]]);
      const unbound = mapAt(root, "bound");
      assert.ok(unbound instanceof Inert);
      assert.equal(unbound.global.text, "builtins.getattr");
      const attributes = mapAt(root, "filled");
      assert.ok(attributes instanceof Inert);
      assert.deepEqual(attributes.entries, new Map([["a", [1]]]));
    });

    it("keeps one object one, even where it holds itself", async (t) => {
      const writer = new CheckpointWriter(form);
      const tensor = writer.tensor(floats("s", [4]));
      const tree = new Map<string, unknown>([
        ["w", tensor],
        ["tied", tensor],
      ]);
      tree.set("state_dict", tree);
      const checkpoint = await opened(t, writer.file(tree));
      assert.equal(mapAt(checkpoint.root, "state_dict"), checkpoint.root);
      assert.ok(mapAt(checkpoint.root, "w") instanceof TensorRef);
      assert.equal(mapAt(checkpoint.root, "tied"), mapAt(checkpoint.root, "w"));
      assert.deepEqual(checkpoint.stateDict().keys(), ["w", "tied"]);
    });

    it("reads no storage that is not asked for, and of the others only what is", async (t) => {
      const writer = new CheckpointWriter(form);
      const optimiser = storage("o", "FloatStorage", new Float32Array(2 ** 20));
      const large = storage("l", "FloatStorage", Float32Array.from(upTo(2 ** 18)));
      const tree = new Map([
        ["adam", writer.tensor(optimiser)],
        ["w", writer.tensor(floats("s", [1, 2]))],
        ["slice", writer.tensor(large, [5], [1], 200_000)],
      ]);
      const checkpoint = await opened(t, writer.file(tree));
      const state = checkpoint.stateDict();
      assert.ok(checkpoint.bytesRead < 80_000, `${checkpoint.bytesRead} bytes to open`);
      const before = checkpoint.bytesRead;
      assert.deepEqual(await state.float32("w"), Float32Array.of(1, 2));
      assert.deepEqual(
        await state.float32("slice"),
        Float32Array.of(200_000, 200_001, 200_002, 200_003, 200_004),
      );
      assert.ok(
        checkpoint.bytesRead - before < 200,
        `${checkpoint.bytesRead - before} bytes for seven numbers`,
      );
    });

    it("names the file and the key that is missing or no tensor, and the class that stands there", async (t) => {
      const writer = new CheckpointWriter(form);
      const other = new PyCall(new PyName("torch._utils", "_rebuild_qtensor"), new PyTuple(1));
      const tree = new Map<string, unknown>([
        ["w", writer.tensor(floats("s", [4]))],
        ["q", other],
        ["n", 3],
      ]);
      const checkpoint = await opened(t, writer.file(tree));
      const state = checkpoint.stateDict();
      const { file } = checkpoint;
      await assert.rejects(state.float32("layer.9"), (error) => {
        assert.ok(error instanceof CheckpointError);
        assert.equal(error.message, `${file}: "layer.9" is missing among the 1 tensors there`);
        assert.deepEqual([error.file, error.key, error.global], [file, "layer.9", undefined]);
        return true;
      });
      assert.throws(() => state.shape("q"), { key: "q", global: "torch._utils._rebuild_qtensor", file });
      assert.throws(() => state.dtype("n"), /"n" is a number, not a tensor/);
      assert.throws(() => checkpoint.stateDict("model"), {
        key: "model",
        file,
        message: /"model" is missing/,
      });
      assert.throws(() => checkpoint.stateDict("n"), /has at "n" a number, not a model's tensors/);
      await assert.rejects(state.int64("w"), { key: "w", message: /is float32, not integers/ });
    });

    it("refuses a model that was saved as an object, naming its class", async (t) => {
      const whole = new PyCall(new PyName("models", "AASIST"), new PyTuple(), {
        asNew: true,
        state: new Map(),
      });
      const checkpoint = await opened(t, new CheckpointWriter(form).file(whole));
      assert.throws(() => checkpoint.stateDict(), {
        global: "models.AASIST",
        message: /holds an object of models\.AASIST/,
      });
    });

    it("fails by name after it was closed", async (t) => {
      const writer = new CheckpointWriter(form);
      const checkpoint = await openCheckpoint(
        fileOf(t, writer.file(new Map([["w", writer.tensor(floats("s", [4]))]]))),
      );
      const state = checkpoint.stateDict();
      await checkpoint.close();
      await assert.rejects(state.float32("w"), CheckpointError);
    });
  });
}

describe("a checkpoint in the zip container", () => {
  it("is found through Zip64 fields alone", async (t) => {
    const writer = new CheckpointWriter("zip");
    const tree = new Map([["w", writer.tensor(floats("s", [1, 2, 3]))]]);
    const state = (await opened(t, writer.file(tree, wide))).stateDict();
    assert.deepEqual(await state.float32("w"), Float32Array.of(1, 2, 3));
  });
});

describe("a checkpoint in the legacy container", () => {
  it("takes a stretch of a storage where old files share one", async (t) => {
    const writer = new CheckpointWriter("legacy");
    const reference = writer.reference(floats("root", upTo(10)), new PyTuple("view", 4, 3));
    const args = [reference, 1, new PyTuple(2), new PyTuple(1), false, ordered(new Map())];
    const view = new PyCall(new PyName("torch._utils", "_rebuild_tensor_v2"), new PyTuple(...args));
    const beyond = new PyCall(view.callee, new PyTuple(reference, 2, ...args.slice(2)));
    const state = (
      await opened(
        t,
        writer.file(
          new Map([
            ["v", view],
            ["beyond", beyond],
          ]),
        ),
      )
    ).stateDict();
    assert.deepEqual(await state.float32("v"), Float32Array.of(5, 6));
    await assert.rejects(state.float32("beyond"), /"beyond" needs 4 elements of a storage that has 3/);
  });

  it("reads an object tree longer than the first read", async (t) => {
    const writer = new CheckpointWriter("legacy");
    const words = upTo(30_000).map((i) => `word ${i}`);
    const tree = new Map<string, unknown>([
      ["dictionary", words],
      ["w", writer.tensor(floats("s", [7]))],
    ]);
    const checkpoint = await opened(t, writer.file(tree));
    assert.deepEqual(mapAt(checkpoint.root, "dictionary"), words);
    assert.deepEqual(await checkpoint.stateDict().float32("w"), Float32Array.of(7));
  });
});
