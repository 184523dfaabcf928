import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setImmediate, setTimeout } from "node:timers/promises";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { packsFolder, writeTinyPack, type TinyModel, type TinyPack } from "../../test/support/tiny-pack.ts";
import { windowOf } from "../../test/support/windows.ts";
import { type Score, WindowLost } from "../stream/ports.ts";
import { createPool, type Pool, type PoolEvent, type PoolOptions } from "./pool.ts";
import { openPack } from "./store.ts";

type Setup = Partial<Omit<PoolOptions, "pack">> & { readonly model?: TinyModel & Pick<TinyPack, "manifest"> };

const never = new AbortController().signal;

async function poolFor(t: TestContext, { model, ...options }: Setup = {}): Promise<Pool> {
  const folder = await packsFolder(t);
  await writeTinyPack({ folder, gains: [10], ...model });
  const pack = await openPack("tiny", [folder]);
  const pool = await createPool({ pack, workers: 1, providers: ["cpu"], ...options });
  t.after(() => pool.close());
  return pool;
}

/** Hears a pool's events and waits for the next of a kind. */
class Ear {
  readonly heard: PoolEvent[] = [];
  #waiting: { type: PoolEvent["type"]; resolve: (event: PoolEvent) => void }[] = [];
  readonly hear = (event: PoolEvent): void => {
    this.heard.push(event);
    const [now, later] = [
      this.#waiting.filter((w) => w.type === event.type),
      this.#waiting.filter((w) => w.type !== event.type),
    ];
    this.#waiting = later;
    for (const { resolve } of now) resolve(event);
  };

  next(type: PoolEvent["type"]): Promise<PoolEvent> {
    return new Promise((resolve) => this.#waiting.push({ type, resolve }));
  }
}

const only = (pids: readonly number[]): number => {
  assert.equal(pids.length, 1);
  return pids[0] ?? 0;
};

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-4, `${actual} is not ${expected}`);

const isLost = (gap: WindowLost["gap"]) => (reason: unknown) =>
  reason instanceof WindowLost && reason.gap === gap;

describe("a pool's scores", () => {
  it("are the model's answers, calibrated", async (t) => {
    const calibration = { id: "c", a: 2, b: 1, data: "" };
    const pool = await poolFor(t, { model: { manifest: { calibration } } });
    const score = await pool.score(windowOf(0.3), never);
    near(score.llr, 2 * 3 + 1);
    assert.ok(score.queueMs >= 0 && score.inferMs > 0);
  });

  it("take the spoof logit from the place that the manifest names", async (t) => {
    for (const [spoof_index, llr] of [
      [0, -3],
      [1, 3],
    ] as const) {
      const output = { name: "logit", form: "logits" as const, spoof_index };
      const pool = await poolFor(t, { model: { gains: [10, 20], manifest: { output } } });
      near((await pool.score(windowOf(0.3), never)).llr, llr);
    }
  });

  it("keep the LLR but abstain where the model says that the audio is far from what it knows", async (t) => {
    const output = { name: "logit", form: "logit_and_distance" as const, farthest: 5 };
    const pool = await poolFor(t, { model: { gains: [10, 20], manifest: { output } } });
    const [known, strange] = [await pool.score(windowOf(0.2), never), await pool.score(windowOf(0.3), never)];
    near(known.llr, 2);
    assert.equal(known.abstain, undefined);
    near(strange.llr, 3);
    assert.equal(strange.abstain, "out_of_domain");
  });

  it("are the same in a batch with other callers as alone", async (t) => {
    const pool = await poolFor(t);
    const sounds = Array.from({ length: 13 }, (_, i) => i / 13 - 0.4);
    const together = await Promise.all(sounds.map((sound) => pool.score(windowOf(sound), never)));
    assert.deepEqual(pool.stats().batches, { 1: 1, 4: 1, 8: 1 });
    for (const [i, sound] of sounds.entries()) {
      const alone = await pool.score(windowOf(sound), never);
      near(together[i]?.llr ?? NaN, alone.llr);
      near(alone.llr, sound * 10);
    }
    assert.equal(pool.stats().scored, 26);
  });

  it("read a window out of the middle of somebody's buffer", async (t) => {
    const pool = await poolFor(t);
    const buffer = new Float32Array(5000).fill(-1).fill(0.2, 1000, 2600);
    near((await pool.score(windowOf(buffer.subarray(1000, 2600)), never)).llr, 2);
  });

  it("never come from samples that are not finite, and the neighbours in the batch get theirs", async (t) => {
    const pool = await poolFor(t);
    for (const poison of [NaN, Infinity, -Infinity]) {
      const bad = windowOf(0.1);
      bad.samples[1599] = poison;
      const [first, second, third] = await Promise.allSettled(
        [windowOf(0.1), bad, windowOf(0.2)].map((window) => pool.score(window, never)),
      );
      assert.ok(first?.status === "fulfilled" && third?.status === "fulfilled");
      near(first.value.llr, 1);
      near(third.value.llr, 2);
      assert.ok(second?.status === "rejected" && second.reason instanceof RangeError);
    }
  });

  it("are never an answer that is not finite", async (t) => {
    const pool = await poolFor(t, { model: { gains: [3e38] } });
    await assert.rejects(pool.score(windowOf(10), never), isLost("worker_lost"));
    near((await pool.score(windowOf(0), never)).llr, 0);
  });

  it("leave nothing of the audio behind", async (t) => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void; // What V8 exposes has no type.
    const pool = await poolFor(t, { workers: 2 });
    const asked = Array.from({ length: 20 }, (_, i) => {
      const window = windowOf(i / 20);
      return { audio: new WeakRef(window.samples), score: pool.score(window, never) };
    });
    await Promise.all(asked.map(({ score }) => score));
    await setImmediate();
    collect();
    assert.equal(asked.filter(({ audio }) => audio.deref() !== undefined).length, 0);
  });

  it("are refused to windows of another length", async (t) => {
    const pool = await poolFor(t);
    await assert.rejects(pool.score(windowOf(0.1, 1599), never), /1599 samples, not 1600/);
  });
});

describe("a pool that loses workers", () => {
  it("loses no window when one is killed under load", async (t) => {
    const ear = new Ear();
    const pool = await poolFor(t, { workers: 2, onEvent: ear.hear, model: { drag: 200 } });
    const before = pool.workerPids;
    assert.equal(before.length, 2);
    const scores = Array.from({ length: 300 }, (_, i) => pool.score(windowOf(i / 300), never));
    const replaced = ear.next("worker_started");
    await scores[20];
    const killed = before[0] ?? 0;
    process.kill(killed, "SIGKILL");
    for (const [i, score] of (await Promise.all(scores)).entries()) near(score.llr, (i / 300) * 10);
    await replaced;
    assert.equal(pool.stats().restarts, 1);
    assert.equal(pool.stats().lost, 0);
    assert.equal(pool.workerPids.length, 2);
    assert.ok(!pool.workerPids.includes(killed));
  });

  it("kills one that hangs at the deadline and asks its replacement", async (t) => {
    const ear = new Ear();
    const pool = await poolFor(t, { deadlineMs: 1500, onEvent: ear.hear });
    const hung = only(pool.workerPids);
    process.kill(hung, "SIGSTOP");
    near((await pool.score(windowOf(0.5), never)).llr, 5);
    assert.ok(!isAlive(hung));
    const lost = ear.heard.find((event) => event.type === "worker_lost");
    assert.equal(lost?.reason, "no answer within 1500 ms");
  });

  it("gives a window up that two workers in turn were lost with", async (t) => {
    const ear = new Ear();
    const pool = await poolFor(t, { deadlineMs: 1500, onEvent: ear.hear });
    process.kill(only(pool.workerPids), "SIGSTOP");
    const replaced = ear.next("worker_started");
    const score = pool.score(windowOf(0.5), never);
    const outcome = assert.rejects(score, isLost("worker_lost"));
    const second = await replaced;
    assert.ok(second.type === "worker_started");
    process.kill(second.pid, "SIGSTOP");
    await outcome;
    near((await pool.score(windowOf(0.5), never)).llr, 5);
    assert.equal(pool.stats().restarts, 2);
  });

  it("tells those who wait when nobody is left to be asked for too long", async (t) => {
    const ear = new Ear();
    const pool = await poolFor(t, { outageMs: 1, onEvent: ear.hear });
    const lost = ear.next("worker_lost");
    process.kill(only(pool.workerPids), "SIGKILL");
    await lost;
    await assert.rejects(pool.score(windowOf(0.5), never), /no worker is running/);
    await ear.next("worker_started");
    near((await pool.score(windowOf(0.5), never)).llr, 5);
  });

  it("replaces one that dies while idle", async (t) => {
    const ear = new Ear();
    const pool = await poolFor(t, { onEvent: ear.hear });
    const replaced = ear.next("worker_started");
    process.kill(only(pool.workerPids), "SIGKILL");
    await replaced;
    near((await pool.score(windowOf(0.1), never)).llr, 1);
  });
});

describe("a pool's queue", () => {
  it("sheds beyond its limit and counts it", async (t) => {
    const pool = await poolFor(t, { queueLimit: 3, deadlineMs: 1500 });
    process.kill(only(pool.workerPids), "SIGSTOP");
    const running: Promise<Score>[] = [];
    for (const sound of [0.1, 0.2]) {
      running.push(pool.score(windowOf(sound), never));
      await setImmediate();
      await setImmediate();
    }
    assert.equal(pool.stats().busy, 1);
    const waiting = [0.3, 0.4, 0.5].map((sound) => pool.score(windowOf(sound), never));
    await setImmediate();
    assert.equal(pool.stats().queued, 3);
    await assert.rejects(pool.score(windowOf(0.6), never), isLost("shed"));
    assert.equal(pool.stats().shed, 1);
    const scores = await Promise.all([...running, ...waiting]);
    for (const [i, score] of scores.entries()) near(score.llr, i + 1);
  });

  it("answers live windows before patient ones that came earlier", async (t) => {
    const pool = await poolFor(t, { deadlineMs: 1500 });
    process.kill(only(pool.workerPids), "SIGSTOP");
    const order: string[] = [];
    const ask = (name: string, patient: boolean) =>
      pool.score(windowOf(0.1), never, patient).then(() => order.push(name));
    const asked = Array.from({ length: 12 }, (_, i) => ask(`file ${i}`, true));
    await setImmediate();
    await setImmediate();
    asked.push(ask("live", false));
    await Promise.all(asked);
    assert.ok(order.indexOf("live") < order.indexOf("file 11"), order.join(", "));
  });

  it("drops a window whose caller has left, waiting or running, with the caller's reason", async (t) => {
    const pool = await poolFor(t, { deadlineMs: 1500 });
    process.kill(only(pool.workerPids), "SIGSTOP");
    const caller = new AbortController();
    const gone = new Error("hung up");
    const running = pool.score(windowOf(0.1), caller.signal);
    await setImmediate();
    await setImmediate();
    const waiting = pool.score(windowOf(0.2), caller.signal);
    const other = pool.score(windowOf(0.3), never);
    caller.abort(gone);
    await assert.rejects(running, gone);
    await assert.rejects(waiting, gone);
    await assert.rejects(pool.score(windowOf(0.4), caller.signal), gone);
    assert.equal(pool.stats().queued, 1);
    near((await other).llr, 3);
    assert.equal(pool.stats().scored, 1);
  });
});

describe("a pool that closes", () => {
  it("answers what it has, refuses what comes and leaves no process", async (t) => {
    const pool = await poolFor(t, { workers: 2 });
    const pids = pool.workerPids;
    const scores = Array.from({ length: 40 }, (_, i) => pool.score(windowOf(i / 40), never));
    const closed = pool.close();
    await assert.rejects(pool.score(windowOf(0.1), never), isLost("shed"));
    assert.equal((await Promise.all(scores)).length, 40);
    await closed;
    await pool.close();
    assert.deepEqual(pids.map(isAlive), [false, false]);
  });

  it("does not wait for a worker that hangs beyond its deadline", async (t) => {
    const pool = await poolFor(t, { deadlineMs: 300, graceMs: 300 });
    const pid = only(pool.workerPids);
    process.kill(pid, "SIGSTOP");
    const outcome = assert.rejects(pool.score(windowOf(0.1), never), isLost("worker_lost"));
    await pool.close();
    await outcome;
    assert.ok(!isAlive(pid));
  });

  it("kills an idle worker that does not end when asked", async (t) => {
    const pool = await poolFor(t, { graceMs: 300 });
    const pid = only(pool.workerPids);
    process.kill(pid, "SIGSTOP");
    await pool.close();
    assert.ok(!isAlive(pid));
  });

  it("takes its workers with it even when it is killed itself", async (t) => {
    const folder = await packsFolder(t);
    await writeTinyPack({ folder });
    const url = (path: string) => new URL(path, import.meta.url).href;
    const script = `
      const { createPool } = await import(${JSON.stringify(url("./pool.ts"))});
      const { openPack } = await import(${JSON.stringify(url("./store.ts"))});
      const pack = await openPack("tiny", [${JSON.stringify(folder)}]);
      const pool = await createPool({ pack, workers: 1, providers: ["cpu"] });
      process.stdout.write(String(pool.workerPids[0]));`;
    const tsx = fileURLToPath(import.meta.resolve("tsx"));
    const parent = spawn(process.execPath, ["--import", tsx, "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [printed] = (await once(parent.stdout, "data")) as [Buffer]; // A pipe without encoding gives buffers.
    const pid = Number(printed.toString());
    assert.ok(isAlive(pid));
    parent.kill("SIGKILL");
    const deadline = performance.now() + 10_000;
    while (isAlive(pid) && performance.now() < deadline) await setTimeout(20);
    assert.ok(!isAlive(pid));
  });
});

describe("the election of a provider", () => {
  it("ends on the CPU where there is no CUDA and keeps the reason", async (t) => {
    const ear = new Ear();
    const pool = await poolFor(t, { providers: ["cuda", "cpu"], onEvent: ear.hear });
    if (pool.provider === "cuda") {
      t.skip("this machine has CUDA");
      return;
    }
    assert.equal(pool.provider, "cpu");
    assert.equal(pool.refused[0]?.provider, "cuda");
    assert.match(pool.refused[0].reason, /\.so|CUDA (driver|failure)/);
    assert.equal(ear.heard[0]?.type, "provider_refused");
    near((await pool.score(windowOf(0.5), never)).llr, 5);
  });

  it("refuses the CPU where a GPU is required", async (t) => {
    await assert.rejects(poolFor(t, { providers: ["cpu"], requireGpu: true }), {
      name: "NoProvider",
      message: /cpu: a GPU is required/,
    });
  });

  it("refuses a provider that is slower than windows come, with the milliseconds", async (t) => {
    const model = { window: 64_000, drag: 200, manifest: { batch_sizes: [1] } };
    await assert.rejects(
      poolFor(t, { model, maxWindowMs: 0.001 }),
      /cpu: too slow: [\d.]+ ms for a window.*EARWITNESS_HOP_MS/,
    );
  });

  it("measures the milliseconds of a window", async (t) => {
    const pool = await poolFor(t);
    assert.ok(pool.windowMs > 0 && pool.windowMs < 100);
  });

  for (const [what, model, problem] of [
    [
      "another window",
      { window: 800, manifest: { window_samples: 1600 } },
      /windows of 800 samples, its manifest says 1600/,
    ],
    ["a fixed batch", { rows: 1 }, /takes batches of 1, its manifest says 1, 2, 4, 8/],
    ["another input", { inputName: "sound" }, /inputs are sound, its manifest says audio/],
    ["another output", { outputName: "score" }, /outputs are score, its manifest says logit/],
    ["an output of another width", { gains: [1, 2] }, /has shape \[1, 2\], not \[1\] or \[1, 1\]/],
  ] as const) {
    it(`refuses a model with ${what} than the manifest says`, async (t) => {
      await assert.rejects(poolFor(t, { model }), problem);
    });
  }
});
