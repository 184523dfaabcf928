import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import {
  CheckpointWriter,
  fileOf,
  forms,
  ordered,
  storage,
  type Form,
} from "../../../test/support/checkpoint-bytes.ts";
import { pickle, PyCall, PyName, PyTuple } from "../../../test/support/pickle-bytes.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { CheckpointError } from "./errors.ts";
import { defaultLimits } from "./limits.ts";

const rounds = 400;
const timeout = 120_000;

/** Numbers below `limit`, the same for the same seed (a xorshift of 32 bits). */
function chance(seed: number): Chance {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

type Chance = (limit: number) => number;

/** Ways to damage bytes, each at a place and with a stretch after it. */
const damages: readonly ((bytes: Buffer, at: number, stretch: Buffer, below: Chance) => Buffer)[] = [
  (bytes, at, _, below) => bytes.fill((bytes[at] ?? 0) ^ (1 << below(8)), at, at + 1),
  (bytes, at, _, below) => bytes.fill(below(256), at, at + 1),
  (bytes, _, stretch, below) => (stretch.subarray(0, 8).fill([0xff, 0x00, 0x7f, 0x80][below(4)] ?? 0), bytes),
  (bytes, at, stretch) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + stretch.length)]),
  (bytes, at, stretch) => Buffer.concat([bytes.subarray(0, at), stretch, bytes.subarray(at)]),
  (bytes, _, stretch, below) => (stretch.copy(bytes, below(bytes.length)), bytes),
  (bytes, at, _, below) => (below(4) === 0 ? Buffer.from(bytes.subarray(0, at + 1)) : bytes),
];

/** One to four changes: a bit, a byte, an extreme number, a stretch left out, doubled or written elsewhere, a cut. */
function mutated(bytes: Uint8Array, below: Chance): Buffer {
  let changed = Buffer.from(bytes);
  for (let change = below(4); change >= 0; change -= 1) {
    const at = below(changed.length);
    const stretch = changed.subarray(at, at + 1 + below(40));
    changed = Buffer.from(damages[below(damages.length)]?.(changed, at, stretch, below) ?? changed);
  }
  return changed;
}

/** Opens a file and reads all of it; gives the error's message, or undefined. Nothing but a CheckpointError may come out. */
async function survive(path: string, bytes: Uint8Array): Promise<string | undefined> {
  writeFileSync(path, bytes);
  try {
    const checkpoint = await openCheckpoint(path);
    try {
      const state = checkpoint.stateDict();
      for (const key of state.keys()) {
        const { length } = await state.float32(key);
        assert.ok(length <= Math.max(defaultLimits.repeated, bytes.length), `${length} elements`);
      }
    } finally {
      await checkpoint.close();
    }
    return undefined;
  } catch (error) {
    assert.ok(error instanceof CheckpointError, error instanceof Error ? error.stack : String(error));
    return error.message;
  }
}

/** Feeds `rounds` variants; the error messages must be many, or the variants do not reach far. */
async function fuzz(t: TestContext, make: (below: Chance) => Uint8Array): Promise<void> {
  const path = fileOf(t, Buffer.alloc(0), "variant.pt");
  const kinds = new Set<string>();
  let sound = 0;
  for (let seed = 1; seed <= rounds; seed += 1) {
    const message = await survive(path, make(chance(seed * 2_654_435)));
    if (message === undefined) sound += 1;
    else kinds.add(message.replaceAll(/"[^"]*"|-?\d+/g, "…"));
  }
  t.diagnostic(`${sound} of ${rounds} still readable, ${kinds.size} kinds of errors`);
  assert.ok(kinds.size >= 8, [...kinds].join("\n"));
}

/** A tree with something of everything. */
function sample(form: Form): { writer: CheckpointWriter; tree: Buffer } {
  const writer = new CheckpointWriter(form);
  const shared = storage("shared", "FloatStorage", new Float32Array(24).fill(1));
  const cell = writer.tensor(shared, [6, 4], [1, 6]);
  const tree = new Map<string, unknown>([
    ["epoch", 7],
    [
      "args",
      new PyCall(new PyName("argparse", "Namespace"), new PyTuple(), {
        asNew: true,
        state: new Map([["lr", 0.1]]),
      }),
    ],
    [
      "state_dict",
      ordered(
        new Map<string, unknown>([
          ["cell", cell],
          ["row", writer.tensor(shared, [2, 3], [0, 1], 4)],
          ["half", writer.tensor(storage("half", "HalfStorage", Uint16Array.of(1, 2, 3)))],
          ["steps", writer.tensor(storage("steps", "LongStorage", BigInt64Array.of(5n)), [], [])],
          ["none", writer.tensor(storage("none", "DoubleStorage", new Float64Array(0)), [0, 3])],
          [
            "p",
            new PyCall(
              new PyName("torch._utils", "_rebuild_parameter"),
              new PyTuple(cell, true, ordered(new Map())),
            ),
          ],
        ]),
      ),
    ],
  ]);
  return { writer, tree: pickle(tree) };
}

describe("mutated checkpoints", () => {
  for (const form of forms) {
    const { writer, tree } = sample(form);
    const whole = writer.wrap(tree);

    it(`in the ${form} container end in tensors or a named error`, { timeout }, async (t) => {
      assert.equal(await survive(fileOf(t, whole), whole), undefined);
      await fuzz(t, (below) => mutated(whole, below));
    });

    it(`in the ${form} container do so behind a sound checksum`, { timeout }, async (t) => {
      await fuzz(t, (below) => writer.wrap(mutated(tree, below)));
    });

    const fixture = form === "zip" ? "ptformat/mixed.pt" : "ptformat/mixed.legacy.pt";
    it(
      `written by PyTorch in the ${form} container do so`,
      { timeout, skip: withoutFixture(fixture) },
      async (t) => {
        const published = readFileSync(sharedFixture(fixture));
        await fuzz(t, (below) => mutated(published, below));
      },
    );
  }
});
