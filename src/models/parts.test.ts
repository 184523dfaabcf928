import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packsFolder } from "../../test/support/tiny-pack.ts";
import { Backoff } from "./backoff.ts";
import { batchSize } from "./batching.ts";
import { missingLibrary, workerEnvironment } from "./gpu-libraries.ts";
import { judge, outputWidth, toLlr } from "./llr.ts";
import { isSoftwareAdapter, vulkanAdapter } from "./providers.ts";

describe("an LLR", () => {
  const calibration = { id: "c", a: 2, b: -1, data: "" };

  it("is spoof over bona fide whichever logit comes first", () => {
    const output = (spoof_index: 0 | 1) => ({ name: "logits", form: "logits" as const, spoof_index });
    assert.equal(toLlr({ output: output(1), calibration: null }, [1, 4]), 3);
    assert.equal(toLlr({ output: output(0), calibration: null }, [1, 4]), -3);
  });

  it("is calibrated where the pack is", () => {
    const output = { name: "logit", form: "spoof_logit" as const };
    assert.equal(toLlr({ output, calibration: null }, [3]), 3);
    assert.equal(toLlr({ output, calibration }, [3]), 5);
  });

  it("stands beside a distance beyond which the model will not judge", () => {
    const output = { name: "judged", form: "logit_and_distance" as const, farthest: 10 };
    assert.equal(outputWidth(output), 2);
    const pack = { output, calibration };
    assert.deepEqual(judge(pack, [3, 10]), { llr: 5 });
    assert.deepEqual(judge(pack, [3, 10.5]), { llr: 5, abstain: "out_of_domain" });
    assert.deepEqual(judge(pack, [3, NaN]), { llr: 5, abstain: "out_of_domain" });
    const plain = { output: { name: "logit", form: "spoof_logit" as const }, calibration };
    assert.deepEqual(judge(plain, [3]), { llr: 5 });
  });
});

describe("a batch", () => {
  const sizes = [1, 2, 4, 8];

  it("is never padded on a CPU, never split on a GPU", () => {
    assert.deepEqual(
      [1, 2, 3, 5, 7, 8, 100].map((n) => batchSize(sizes, n, 1, false)),
      [1, 2, 2, 4, 4, 8, 8],
    );
    assert.deepEqual(
      [1, 2, 3, 5, 7, 8, 100].map((n) => batchSize(sizes, n, 1, true)),
      [1, 2, 3, 5, 7, 8, 8],
    );
  });

  it("leaves work for the other idle workers", () => {
    assert.equal(batchSize(sizes, 8, 2, false), 4);
    assert.equal(batchSize(sizes, 3, 2, false), 2);
  });
});

describe("the pause before a restart", () => {
  it("is none after success, doubles with each failure and stays under its limit", () => {
    const backoff = new Backoff(() => 0.5);
    const pauses = Array.from({ length: 10 }, () => backoff.fail());
    assert.deepEqual(pauses.slice(0, 4), [0, 100, 200, 400]);
    assert.equal(pauses.at(-1), 10_000);
    backoff.succeed();
    assert.equal(backoff.fail(), 0);
  });
});

describe("a worker's environment", () => {
  it("finds the CUDA libraries only where they are and keeps our settings out", async (t) => {
    const folder = await packsFolder(t);
    const parent = { PATH: "/bin", LD_LIBRARY_PATH: "/opt/lib", EARWITNESS_TOKEN: "secret" };
    assert.deepEqual(workerEnvironment(parent, folder), { PATH: "/bin", LD_LIBRARY_PATH: "/opt/lib" });
    await mkdir(join(folder, "cuda"));
    const path = `${join(folder, "cuda")}:/opt/lib`;
    assert.deepEqual(workerEnvironment(parent, folder), { PATH: "/bin", LD_LIBRARY_PATH: path });
  });
});

describe("the library of a provider", () => {
  it("is asked for by name where it is missing, and only where it is a file", async (t) => {
    const folder = await packsFolder(t);
    assert.equal(missingLibrary("cpu", folder), undefined);
    assert.equal(missingLibrary("webgpu", folder), undefined);
    if (process.platform !== "linux") return;
    assert.match(missingLibrary("cuda", folder) ?? "", /libonnxruntime_providers_cuda\.so.*install-cuda/);
    await writeFile(join(folder, "libonnxruntime_providers_cuda.so"), "");
    assert.equal(missingLibrary("cuda", folder), undefined);
    assert.match(missingLibrary("tensorrt", folder) ?? "", /tensorrt/);
  });
});

describe("the Vulkan device in use", () => {
  it("is the last one that the loader made, however many it saw", () => {
    const stderr = `INFO | DRIVER: [0] NVIDIA H100
       DRIVER:  Using "NVIDIA H100" with driver: "libGLX_nvidia.so.0"
       DRIVER:  Using "llvmpipe (LLVM 15.0.6, 256 bits)" with driver: "libvulkan_lvp.so"`;
    assert.equal(vulkanAdapter(stderr), "llvmpipe (LLVM 15.0.6, 256 bits)");
    assert.equal(vulkanAdapter("Couldn't load Vulkan"), undefined);
  });

  it("is known for software by its name", () => {
    assert.ok(isSoftwareAdapter("llvmpipe (LLVM 15.0.6, 256 bits)"));
    assert.ok(isSoftwareAdapter("SwiftShader Device (LLVM 10.0.0)"));
    assert.ok(!isSoftwareAdapter("NVIDIA GeForce RTX 4090"));
  });
});
