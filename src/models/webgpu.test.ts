import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { describe, it, type TestContext } from "node:test";
import { packsFolder, writeTinyPack } from "../../test/support/tiny-pack.ts";
import { windowOf } from "../../test/support/windows.ts";
import { createPool, type Pool } from "./pool.ts";
import { isSoftwareAdapter, NoProvider, type Provider } from "./providers.ts";
import { openPack, type Pack } from "./store.ts";

const never = new AbortController().signal;

/** The pool, or nothing and a skipped test where no adapter is. */
async function webgpuPool(t: TestContext, pack: Pack, allowSoftwareGpu: boolean): Promise<Pool | undefined> {
  try {
    return await poolFor(t, pack, "webgpu", allowSoftwareGpu);
  } catch (reason) {
    if (!(reason instanceof NoProvider) || !/Failed to get a WebGPU adapter/.test(reason.message))
      throw reason;
    t.skip("there is no WebGPU adapter here (docs/gpu.md names a software one)");
    return undefined;
  }
}

async function poolFor(
  t: TestContext,
  pack: Pack,
  provider: Provider,
  allowSoftwareGpu: boolean,
): Promise<Pool> {
  const options = { workers: 4, maxWindowMs: 60_000, deadlineMs: 120_000 };
  const pool = await createPool({ pack, providers: [provider], allowSoftwareGpu, ...options });
  t.after(() => pool.close());
  return pool;
}

/** Noise and a tone, different for each seed. */
function sound(seed: number, length: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 0.1 + 0.2 * Math.sin(i * 0.02 * seed);
  });
}

describe("the WebGPU provider", () => {
  it("scores the default pack as the CPU does, with one worker", async (t) => {
    const pack = await openPack("default", [fileURLToPath(new URL("../../models", import.meta.url))]);
    const gpu = await webgpuPool(t, pack, true);
    if (gpu === undefined) return;
    t.diagnostic(`${gpu.adapter ?? "an adapter without a name"}, ${gpu.windowMs.toFixed(2)} ms per window`);
    assert.equal(gpu.provider, "webgpu");
    assert.equal(gpu.workerPids.length, 1);
    const cpu = await poolFor(t, pack, "cpu", false);
    const windows = [1, 2, 3, 4, 5].map((seed) => windowOf(sound(seed, pack.spec.window)));
    const scores = (pool: Pool) => Promise.all(windows.map((window) => pool.score(window, never)));
    const [there, here] = [await scores(gpu), await scores(cpu)];
    assert.deepEqual(gpu.stats().batches, { 5: 1 });
    const differences = there.map(({ llr }, i) => Math.abs(llr - (here[i]?.llr ?? NaN)));
    t.diagnostic(`LLRs differ by at most ${Math.max(...differences).toExponential(1)}`);
    assert.equal(differences.length, 5);
    assert.ok(Math.max(...differences) < 1e-3);
    assert.ok(new Set(here.map(({ llr }) => llr.toFixed(3))).size > 1, "the windows tell nothing apart");
  });

  it("refuses a software adapter, by name, unless it is allowed", async (t) => {
    const folder = await packsFolder(t);
    await writeTinyPack({ folder, gains: [10] });
    const pack = await openPack("tiny", [folder]);
    const allowed = await webgpuPool(t, pack, true);
    if (allowed === undefined) return;
    if (!isSoftwareAdapter(allowed.adapter ?? "")) {
      t.skip(`${allowed.adapter ?? "the adapter"} is not software`);
      return;
    }
    assert.ok(Math.abs((await allowed.score(windowOf(0.3), never)).llr - 3) < 1e-4);
    await allowed.close();
    await assert.rejects(
      poolFor(t, pack, "webgpu", false),
      /webgpu: .*(llvmpipe|SwiftShader).* is a software adapter/,
    );
  });
});
