import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { packsFolder, writeTinyPack } from "../../test/support/tiny-pack.ts";
import { windowOf } from "../../test/support/windows.ts";
import { runtimeFolder } from "./gpu-libraries.ts";
import { createPool, type Pool } from "./pool.ts";
import { openPack } from "./store.ts";

const installer = fileURLToPath(new URL("../../scripts/install-cuda.js", import.meta.url));
const isLinux = process.platform === "linux" && process.arch === "x64";

const install = (...flags: string[]) =>
  spawnSync(process.execPath, [installer, ...flags], { encoding: "utf8" });

/** Why a test with the CUDA libraries cannot run here. TEST_CUDA=1 downloads them (1.4 GiB). */
function withoutLibraries(): string | false {
  const folder = runtimeFolder();
  if (!isLinux) return "CUDA files exist for Linux on x64 only";
  if (process.env["TEST_CUDA"] === "1") assert.equal(install().status, 0);
  const provider = existsSync(join(folder, "libonnxruntime_providers_cuda.so"));
  return provider && existsSync(join(folder, "cuda"))
    ? false
    : "the CUDA files are not installed (scripts/install-cuda.js)";
}

async function cudaPool(t: TestContext): Promise<Pool> {
  const folder = await packsFolder(t);
  await writeTinyPack({ folder, gains: [10] });
  const pool = await createPool({
    pack: await openPack("tiny", [folder]),
    workers: 4,
    providers: ["cuda", "cpu"],
  });
  t.after(() => pool.close());
  return pool;
}

const hasDriver = () => spawnSync("nvidia-smi", ["-L"]).status === 0;

describe("the CUDA installer", { skip: isLinux ? false : "CUDA files exist for Linux on x64 only" }, () => {
  it("says what it would download and leaves everything as it is", () => {
    const { status, stdout } = install("--dry-run", "--dir", "/nonexistent/cuda");
    assert.equal(status, 0);
    assert.match(stdout, /nvidia-cudnn-cu13 [\d.]+: download \d+ MiB → \/nonexistent\/cuda/);
    assert.ok(!existsSync("/nonexistent"));
  });

  it("names every package that is missing and fails the check", () => {
    const { status, stdout } = install("--check", "--dir", "/nonexistent/cuda");
    assert.equal(status, 1);
    assert.match(stdout, /missing: nvidia-cublas/);
  });

  it("refuses a flag that it does not know", () => {
    assert.equal(install("--force").status, 2);
  });
});

describe("the CUDA provider", () => {
  it("loads as far as the driver, and a driver that refuses leaves the CPU", async (t) => {
    const skip = withoutLibraries() || (hasDriver() && "this machine has an NVIDIA driver");
    const folder = await packsFolder(t);
    const source = join(folder, "stub.c");
    // CUDA_ERROR_NO_DEVICE, whatever is asked.
    await writeFile(
      source,
      "int cuInit(unsigned f){(void)f;return 100;}\nint cuTensorMapEncodeTiled(void){return 100;}\n",
    );
    const compiled = spawnSync("cc", ["-shared", "-fPIC", "-o", join(folder, "libcuda.so.1"), source]);
    if (skip !== false || compiled.status !== 0) {
      t.skip(skip || "there is no C compiler");
      return;
    }
    const before = process.env["LD_LIBRARY_PATH"];
    t.after(() => (process.env["LD_LIBRARY_PATH"] = before ?? ""));
    process.env["LD_LIBRARY_PATH"] = folder;
    const pool = await cudaPool(t);
    assert.equal(pool.provider, "cpu");
    const reason = pool.refused[0]?.reason ?? "";
    t.diagnostic(reason);
    assert.match(reason, /CUDA failure|CUDA driver|no CUDA-capable device/);
    assert.doesNotMatch(reason, /cannot open shared object|undefined symbol/);
  });

  it("scores on a GPU as on the CPU, with one worker", async (t) => {
    const skip = withoutLibraries() || (!hasDriver() && "there is no NVIDIA driver here");
    if (skip !== false) {
      t.skip(skip);
      return;
    }
    const pool = await cudaPool(t);
    assert.equal(pool.provider, "cuda");
    assert.equal(pool.workerPids.length, 1);
    const sounds = [0.1, -0.2, 0.3, 0.4, 0.5];
    const scores = await Promise.all(
      sounds.map((sound) => pool.score(windowOf(sound), new AbortController().signal)),
    );
    for (const [i, { llr }] of scores.entries()) assert.ok(Math.abs(llr - (sounds[i] ?? 0) * 10) < 1e-3);
  });
});
