import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { importSmallSafeear, temporaryPacks } from "../../test/support/small-safeear.ts";
import { packsFolder, writeTinyPack } from "../../test/support/tiny-pack.ts";
import { voice } from "../../test/support/voice.ts";
import { windowOf } from "../../test/support/windows.ts";
import type { Window } from "../stream/ports.ts";
import { samples } from "../stream/units.ts";
import { openGraph } from "./inference.ts";
import { createPool, type Pool, type PoolOptions } from "./pool.ts";
import { framePermutation, parseOrder, permuteFrames } from "./safeear/permutation.ts";
import { openPack, type Pack } from "./store.ts";

const length = 64_600;
const frames = 202;
const tape = Float32Array.from(
  [700, 1900, 1100].flatMap((pitch) => [...voice(4, 16_000, pitch)]),
  (value) => 4 * value,
);
const never = new AbortController().signal;

/** The window of a track that begins at `start`. */
const at = (start: number, track = 1): Window => ({
  ...windowOf(tape.slice(start, start + length)),
  track,
  start: samples(start),
  end: samples(start + length),
});

/** The same of no track. */
const alone = (start: number): Window => windowOf(tape.slice(start, start + length));

const ofCodes = (codes: Int32Array): Window => ({ ...windowOf(new Float32Array(0)), codes });

describe("a pool of a SafeEar", { timeout: 120_000 }, () => {
  let packs: Awaited<ReturnType<typeof temporaryPacks>>;
  let pack: Pack;
  before(async () => {
    packs = await temporaryPacks();
    await importSmallSafeear(packs.folder, "5");
    pack = await openPack("safeear", [packs.folder]);
  });
  after(() => packs.remove());

  async function poolFor(t: TestContext, options: Partial<PoolOptions> = {}): Promise<Pool> {
    const pool = await createPool({
      pack,
      workers: 1,
      providers: ["cpu"],
      maxWindowMs: Infinity,
      ...options,
    });
    t.after(() => pool.close());
    return pool;
  }

  const llrOf = async (pool: Pool, window: Window): Promise<number> => (await pool.score(window, never)).llr;

  /** A window's acoustic codes, in the order of a pack's own tokenizer graph and then in that asked for. */
  async function encode(window: Window, order: string): Promise<Int32Array> {
    const tokenizer = await openGraph(join(pack.folder, "tokenizer.onnx"), "cpu");
    const audio = { data: window.samples, dims: [1, length] };
    const { data } = await tokenizer.run({ audio }, "codes");
    await tokenizer.release();
    assert.ok(data instanceof Int32Array);
    return permuteFrames(data.slice(frames), framePermutation(frames, parseOrder(order)));
  }

  it("hears frames in the pack's order, or in that asked for, and names its seed", async (t) => {
    const llrs = new Map<string, number>();
    for (const order of [undefined, "5", "6", "identity"]) {
      const pool = await poolFor(t, order === undefined ? {} : { order: parseOrder(order) });
      const seed = order === "identity" ? undefined : Number(order ?? 5);
      assert.equal(pool.spec.seed, seed);
      llrs.set(order ?? "pack", await llrOf(pool, at(0)));
    }
    assert.equal(llrs.get("pack"), llrs.get("5"));
    assert.equal(new Set(llrs.values()).size, 3);
  });

  it("judges codes as it does the audio that they were made of, in the order in which they come", async (t) => {
    const pool = await poolFor(t);
    assert.deepEqual(pool.spec.codes, { stages: 3, choices: 12, frameSamples: 320, frames });
    const heard = await llrOf(pool, at(0));
    assert.ok(Math.abs((await llrOf(pool, ofCodes(await encode(at(0), "5")))) - heard) < 1e-5);
    assert.ok(Math.abs((await llrOf(pool, ofCodes(await encode(at(0), "6")))) - heard) > 1e-4);
  });

  it("answers audio and codes that wait side by side, each as it would alone", async (t) => {
    const pool = await poolFor(t);
    const codes = await Promise.all([0, 16_000, 32_000].map((start) => encode(at(start), "5")));
    const expected = [0, 0, 0];
    for (const i of expected.keys()) expected[i] = await llrOf(pool, ofCodes(codes[i] ?? new Int32Array(0)));
    const both = await Promise.all(
      [0, 1, 2].flatMap((i) => [
        llrOf(pool, at(16_000 * i, i)),
        llrOf(pool, ofCodes(codes[i] ?? new Int32Array(0))),
      ]),
    );
    for (const [i, llr] of both.entries())
      assert.ok(Math.abs(llr - (expected[i >> 1] ?? NaN)) < 1e-5, String(i));
  });

  it("refuses codes that are too many, too few or none of the model's", async (t) => {
    const pool = await poolFor(t);
    const codes = new Int32Array(3 * frames);
    for (const wrong of [
      codes.slice(1),
      new Int32Array(3 * frames + 1),
      codes.with(7, 12),
      codes.with(7, -1),
    ])
      await assert.rejects(pool.score(ofCodes(wrong), never), RangeError);
    assert.ok(Number.isFinite(await llrOf(pool, ofCodes(codes))));
  });

  it("shares work with windows before only in so far as nothing changes, with several workers and when one is lost", async (t) => {
    const expected = await poolFor(t);
    const pool = await poolFor(t, { workers: 2 });
    const starts = Array.from({ length: 8 }, (_, i) => i * 16_000);
    for (const [i, start] of starts.entries()) {
      if (i === 4) process.kill(pool.workerPids[0] ?? 0, "SIGKILL");
      const [own, other] = await Promise.all([
        llrOf(pool, at(start, 1)),
        llrOf(pool, at(112_000 - start, 2)),
      ]);
      assert.ok(Math.abs(own - (await llrOf(expected, alone(start)))) < 1e-6);
      assert.ok(Math.abs(other - (await llrOf(expected, alone(112_000 - start)))) < 1e-6);
    }
    assert.equal(pool.stats().lost, 0);
  });

  it("is all that an order of frames, and codes, are for", async (t) => {
    const folder = await packsFolder(t);
    await writeTinyPack({ folder });
    const tiny = await openPack("tiny", [folder]);
    const options = { pack: tiny, workers: 1, providers: ["cpu"] } as const;
    await assert.rejects(
      createPool({ ...options, order: { kind: "flip" } }),
      /tiny hears frames in no order/,
    );
    const pool = await createPool(options);
    t.after(() => pool.close());
    assert.equal(pool.spec.seed, undefined);
    assert.equal(pool.spec.codes, undefined);
    await assert.rejects(pool.score(ofCodes(new Int32Array(6)), never), RangeError);
  });
});
