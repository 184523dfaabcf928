import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Provider } from "./providers.ts";

/** Where ONNX Runtime's own libraries lie for this platform; `scripts/install-cuda.js` puts the CUDA ones beside them. */
export function runtimeFolder(): string {
  const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
  return join(dirname(manifest), "bin", "napi-v6", process.platform, process.arch);
}

/** Why a provider need not be tried: on Linux its library is a file that may not be there. */
export function missingLibrary(provider: Provider, folder = runtimeFolder()): string | undefined {
  if (process.platform !== "linux" || (provider !== "cuda" && provider !== "tensorrt")) return undefined;
  const library = `libonnxruntime_providers_${provider}.so`;
  if (existsSync(join(folder, library))) return undefined;
  return `${library} is not installed; \`node scripts/install-cuda.js\` does it`;
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
