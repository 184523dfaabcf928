import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Where ONNX Runtime's own libraries lie for this platform; `scripts/install-cuda.js` puts the CUDA ones beside them. */
export function runtimeFolder(): string {
  const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
  return join(dirname(manifest), "bin", "napi-v6", process.platform, process.arch);
}

/**
 * The environment of a worker: the loader reads LD_LIBRARY_PATH only when a process starts, so the CUDA
 * folder, where there is one, goes in front here. Our own settings, secrets among them, stay behind.
 */
export function workerEnvironment(parent: NodeJS.ProcessEnv, folder = runtimeFolder()): NodeJS.ProcessEnv {
  const env = Object.fromEntries(Object.entries(parent).filter(([name]) => !name.startsWith("EARWITNESS_")));
  const cuda = join(folder, "cuda");
  if (!existsSync(cuda)) return env;
  const others = parent["LD_LIBRARY_PATH"];
  return { ...env, LD_LIBRARY_PATH: others ? `${cuda}:${others}` : cuda };
}
