import { setImmediate } from "node:timers/promises";
import { missingLibrary } from "./gpu-libraries.ts";
import type { Model } from "./messages.ts";
import {
  isGpu,
  isSoftwareAdapter,
  loaderError,
  NoProvider,
  vulkanAdapter,
  type Provider,
  type RefusedProvider,
} from "./providers.ts";
import { Worker } from "./worker.ts";

export interface Conditions {
  /** Tried in this order. */
  readonly providers: readonly Provider[];
  /** Refuses `cpu`. */
  readonly requireGpu: boolean;
  /** Lets `webgpu` run on a driver that is itself a program on the CPU. */
  readonly allowSoftwareGpu: boolean;
  /** Refuses a provider that takes longer for a window. */
  readonly maxWindowMs: number;
  readonly startMs: number;
}

/** The provider that serves, with its first worker. */
export interface Elected {
  readonly provider: Provider;
  readonly worker: Worker;
  /** The WebGPU device, where it has a name. */
  readonly adapter: string | undefined;
  /** Milliseconds per window, at the batch size that is best. */
  readonly windowMs: number;
  readonly refused: readonly RefusedProvider[];
}

const timedRuns = 3;

/**
 * Tries each provider by itself, in a process of its own, so that one that crashes takes nothing with it: a list
 * such as `cuda,cpu` does not fall back inside ONNX Runtime. Throws {@link NoProvider} when none will do.
 */
export async function elect(model: Model, on: Conditions): Promise<Elected> {
  const refused: RefusedProvider[] = [];
  for (const provider of on.providers) {
    try {
      return { ...(await tryOut(provider, model, on)), refused };
    } catch (reason) {
      refused.push({ provider, reason: reason instanceof Error ? reason.message : String(reason) });
    }
  }
  throw new NoProvider(refused);
}

async function tryOut(provider: Provider, model: Model, on: Conditions): Promise<Omit<Elected, "refused">> {
  if (on.requireGpu && !isGpu(provider)) throw new Error("a GPU is required");
  const missing = missingLibrary(provider);
  if (missing !== undefined) throw new Error(missing);
  const worker = new Worker(environmentOf(provider));
  try {
    const batchMs = await worker.open({ ...model, provider, timedRuns }, on.startMs);
    const windowMs = Math.min(...batchMs.map((ms, i) => ms / (model.batchSizes[i] ?? 1)));
    if (windowMs > on.maxWindowMs) throw new Error(tooSlow(windowMs, on.maxWindowMs));
    const adapter = provider === "webgpu" ? await checkAdapter(worker, on.allowSoftwareGpu) : undefined;
    return { provider, worker, adapter, windowMs };
  } catch (reason) {
    worker.kill("not elected");
    await worker.ended;
    const why = reason instanceof Error ? reason.message.trim() : String(reason);
    const detail = loaderError(worker.stderr);
    throw new Error(detail === undefined ? why : `${why}: ${detail}`, { cause: reason });
  }
}

const tooSlow = (ms: number, limit: number) =>
  `too slow: ${Number(ms.toPrecision(3))} ms for a window, of which one comes every ${limit} ms (EARWITNESS_HOP_MS sets it)`;

/** Makes the Vulkan loader name the device in use. */
export const environmentOf = (provider: Provider): NodeJS.ProcessEnv =>
  provider === "webgpu" ? { VK_LOADER_DEBUG: "driver" } : {};

async function checkAdapter(worker: Worker, allowSoftware: boolean): Promise<string | undefined> {
  // What was printed before the worker was ready may still be on its way through the other pipe.
  await setImmediate();
  await setImmediate();
  const adapter = vulkanAdapter(worker.stderr);
  if (allowSoftware || process.platform !== "linux") return adapter;
  if (adapter === undefined)
    throw new Error("the Vulkan loader does not name its device, which may be software");
  if (isSoftwareAdapter(adapter))
    throw new Error(`${adapter} is a software adapter, and those are not allowed`);
  return adapter;
}
