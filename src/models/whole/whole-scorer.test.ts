import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { readFloats, readIntegers } from "../../../test/support/npy.ts";
import { writeSafeear } from "../../../test/support/safeear-folder.ts";
import { sharedFixture, withoutFixture } from "../../../test/support/shared-fixtures.ts";
import { writeTinyPack } from "../../../test/support/tiny-pack.ts";
import { voice } from "../../../test/support/voice.ts";
import { windowOf } from "../../../test/support/windows.ts";
import { Fault } from "../../stream/errors.ts";
import { WindowLost } from "../../stream/ports.ts";
import { importSafeear } from "../import/safeear.ts";
import { createPool } from "../pool.ts";
import { framePermutation, parseOrder, permuteFrames, type FrameOrder } from "../safeear/permutation.ts";
import { openPack, type Pack } from "../store.ts";
import { createWholeScorer, type WholeOptions, type WholeScorer } from "./whole-scorer.ts";

const rate = 16_000;
const window = 64_600;
/** Louder than speech is, so that random weights tell one sound from another. */
const sound = (samples: number, pitchHz = 120): Float32Array =>
  voice(samples / rate, rate, pitchHz).map((value) => 4 * value);

const open = async (
  t: TestContext,
  pack: Pack,
  options: Partial<WholeOptions> = {},
): Promise<WholeScorer> => {
  const scorer = await createWholeScorer({ pack, threads: 1, ...options });
  t.after(() => scorer.close());
  return scorer;
};

const isFault = (code: string, message: RegExp) => (reason: unknown) =>
  reason instanceof Fault && reason.code === code && message.test(reason.message);
const isLost = (message: RegExp) => (reason: unknown) =>
  reason instanceof WindowLost && reason.gap === "worker_lost" && message.test(reason.message);

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("scoring whole recordings", { timeout: 120_000 }, () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-whole-"));
    writeSafeear(join(folder, "published"));
    writeSafeear(join(folder, "halved"), "tokenizer");
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  let packs: Promise<Pack> | undefined;
  const imported = (): Promise<Pack> => {
    packs ??= importSafeear(join(folder, "published"), { folder }).then(({ name }) =>
      openPack(name, [folder]),
    );
    return packs;
  };

  for (const text of ["identity", "flip", "7"]) {
    it(`gives a recording of one window what the pool gives that window, in the order ${text}`, async (t) => {
      const order: FrameOrder = parseOrder(text);
      const name = `as-${text}`;
      await importSafeear(join(folder, "published"), { folder, name, order });
      const pack = await openPack(name, [folder]);
      const pool = await createPool({ pack, workers: 1, providers: ["cpu"], maxWindowMs: 60_000 });
      t.after(() => pool.close());
      const samples = sound(window);
      const { llr } = await pool.score(windowOf(samples), new AbortController().signal);
      const own = await open(t, pack);
      assert.deepEqual(own.order, order);
      const asked = await open(t, await imported(), { order });
      for (const { bonafide, spoof } of [await own.score(samples), await asked.score(samples)]) {
        assert.ok(Math.abs(spoof - bonafide - llr) < 1e-4, `${spoof - bonafide} is not ${llr}`);
      }
      assert.ok(Math.abs(llr) > 1e-2, "a sign can be told");
    });
  }

  it("gives the same every time for one order, and something else for another", async (t) => {
    const samples = sound(40_000);
    const scores: string[] = [];
    for (const order of ["5", "5", "6", "identity"]) {
      const scorer = await open(t, await imported(), { order: parseOrder(order) });
      scores.push(JSON.stringify(await scorer.score(samples)));
    }
    assert.equal(scores[0], scores[1]);
    assert.equal(new Set(scores).size, 3);
  });

  it("hears all of a recording: neither its end nor silence after it is nothing", async (t) => {
    const scorer = await open(t, await imported());
    const samples = sound(100_000);
    const padded = new Float32Array(window);
    padded.set(samples.subarray(0, 40_000));
    const heard = [samples, samples.subarray(0, window), samples.subarray(0, 40_000), padded];
    const scores = await Promise.all(heard.map((part) => scorer.score(part)));
    assert.equal(new Set(scores.map(({ spoof }) => spoof)).size, 4);
  });

  it("refuses by name what is shorter than can be mirrored or longer than positions reach", async (t) => {
    const pack = await imported();
    const scorer = await open(t, pack);
    assert.equal(scorer.longestSeconds, 20);
    const { fewest_samples: fewest = 0 } = pack.manifest.codec ?? {};
    assert.equal(fewest, 961);
    assert.ok(Number.isFinite((await scorer.score(sound(fewest))).spoof));
    for (const length of [0, 10, fewest - 1]) {
      await assert.rejects(
        scorer.score(sound(length)),
        isFault("unsupported_audio", /shorter than 961 samples/),
      );
    }
    assert.ok(Number.isFinite((await scorer.score(sound(20 * rate))).spoof));
    await assert.rejects(
      scorer.score(sound(20 * rate + 1)),
      isFault("message_too_large", /longer than 20 s/),
    );
  });

  it("loses the recording that its process hangs or ends over, and no other", async (t) => {
    const scorer = await open(t, await imported(), { deadlineMs: () => 3000 });
    const first = await scorer.score(sound(20_000));
    for (const [signal, message] of [
      ["SIGSTOP", /no answer within 3000 ms/],
      ["SIGKILL", /ended by SIGKILL/],
    ] as const) {
      const { pid = 0 } = scorer;
      const [lost, kept] = [scorer.score(sound(20_000)), scorer.score(sound(20_000))];
      process.kill(pid, signal);
      await assert.rejects(lost, isLost(message));
      assert.deepEqual(await kept, first);
      assert.equal(isRunning(pid), false);
      assert.notEqual(scorer.pid, pid);
    }
  });

  it("starts anew where its process ended between two recordings", async (t) => {
    const scorer = await open(t, await imported());
    const first = await scorer.score(sound(20_000));
    const { pid = 0 } = scorer;
    process.kill(pid, "SIGKILL");
    while (scorer.pid === pid) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await scorer.score(sound(20_000)), first);
  });

  it("has its process replaced after so many recordings, and once it has grown by so much", async (t) => {
    for (const [options, every] of [
      [{ mostHeard: 2 }, 2],
      [{ mostGrownBytes: 1 }, 1],
      [{}, 4],
    ] as const) {
      const scorer = await open(t, await imported(), options);
      const scores: number[] = [];
      const pids: (number | undefined)[] = [];
      for (let i = 0; i < 4; i++) {
        scores.push((await scorer.score(sound(20_000))).spoof);
        pids.push(scorer.pid);
      }
      assert.equal(new Set(scores).size, 1);
      assert.equal(new Set(pids).size, 4 / every, JSON.stringify(options));
    }
  });

  it("ends its process when it is closed, after what was asked for", async () => {
    const scorer = await createWholeScorer({ pack: await imported(), threads: 1 });
    const { pid = 0 } = scorer;
    const last = scorer.score(sound(20_000));
    await Promise.all([scorer.close(), scorer.close()]);
    assert.ok(Number.isFinite((await last).spoof));
    assert.equal(isRunning(pid), false);
    await assert.rejects(scorer.score(sound(20_000)), /closed/);
  });

  it("says of a pack what keeps it from hearing whole recordings", async () => {
    await importSafeear(join(folder, "halved"), { folder, name: "halved-pack" });
    const halved = await openPack("halved-pack", [folder]);
    await assert.rejects(
      createWholeScorer({ pack: halved, threads: 1 }),
      /halved-pack is a tokenizer alone: it was imported without model\.ckpt/,
    );
    await writeTinyPack({ folder, id: "tiny" });
    const tiny = await openPack("tiny", [folder]);
    await assert.rejects(
      createWholeScorer({ pack: tiny, threads: 1 }),
      /tiny has no graphs for whole recordings/,
    );
  });
});

const skip = withoutFixture("safeear-small/model.ckpt");

describe("scoring whole recordings, against the published code", { skip, timeout: 120_000 }, () => {
  const fixture = (name: string): string => sharedFixture(join("safeear-small", name));
  const read = async (name: string): Promise<Float32Array> => (await readFloats(fixture(name))).data;

  const imported = async (t: TestContext): Promise<Pack> => {
    const folder = mkdtempSync(join(tmpdir(), "earwitness-whole-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const { name } = await importSafeear(sharedFixture("safeear-small"), { folder });
    return openPack(name, [folder]);
  };

  for (const kind of ["identity", "flip"] as const) {
    it(`gives its logits with frames in the order ${kind}, bona fide first`, async (t) => {
      const scorer = await open(t, await imported(t), { order: { kind } });
      assert.equal(scorer.longestSeconds, 200);
      const { bonafide, spoof } = await scorer.score(await read("input.npy"));
      const [first = NaN, second = NaN] = await read(`expected_logits_${kind}.npy`);
      assert.ok(Math.abs(bonafide - first) < 1e-4 && Math.abs(spoof - second) < 1e-4);
      assert.ok(Math.abs(first - second) > 1e-2, "the two can be told apart");
    });
  }

  it("hears its codes of a recording that is no window, in the order of a seed", async (t) => {
    const pack = await imported(t);
    const detector = await InferenceSession.create(
      join(pack.folder, pack.manifest.codec?.detector?.file ?? ""),
    );
    t.after(() => detector.release());
    const published = Int32Array.from((await readIntegers(fixture("expected_codes_16001.npy"))).data, Number);
    assert.equal(published.length, 8 * 51);
    const order = parseOrder("3");
    const codes = permuteFrames(published.subarray(51), framePermutation(51, order));
    const { logits } = await detector.run({ codes: new Tensor("int32", codes, [1, 7, 51]) });
    const scorer = await open(t, pack, { order });
    const { bonafide, spoof } = await scorer.score((await read("input.npy")).subarray(0, 16_001));
    const [first = NaN, second = NaN] = Array.from(logits?.data ?? [], Number);
    assert.ok(Math.abs(bonafide - first) < 1e-4 && Math.abs(spoof - second) < 1e-4);
  });
});
