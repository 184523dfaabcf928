/** ONNX Runtime's execution providers that may be named; `tensorrt` and `webgpu` only count when they are. */
export const providers = ["cpu", "cuda", "tensorrt", "webgpu"] as const;
export type Provider = (typeof providers)[number];

/** GPU providers get exactly one worker: two WebGPU sessions that start together crash, and CUDA gains by batches alone. */
export const isGpu = (provider: Provider): boolean => provider !== "cpu";

/** A provider that was tried and not taken, and why. */
export interface RefusedProvider {
  readonly provider: Provider;
  readonly reason: string;
}

/** None of the configured providers can serve the model; the message gives each one's reason. */
export class NoProvider extends Error {
  override readonly name = "NoProvider";
  readonly refused: readonly RefusedProvider[];

  constructor(refused: readonly RefusedProvider[]) {
    const reasons = refused.map(({ provider, reason }) => `${provider}: ${reason}`);
    super(`no execution provider can serve the model. ${reasons.join(" | ") || "None is configured."}`);
    this.refused = refused;
  }
}

const softwareAdapters = /llvmpipe|lavapipe|softpipe|swiftshader/i;

/** Whether a Vulkan device of that name is a program on the CPU. */
export const isSoftwareAdapter = (adapter: string): boolean => softwareAdapters.test(adapter);

/**
 * The Vulkan device that a process uses, from what the Khronos loader prints to stderr as that device is made
 * (under VK_LOADER_DEBUG=driver); ONNX Runtime itself does not say.
 */
export function vulkanAdapter(stderr: string): string | undefined {
  return [...stderr.matchAll(/Using "([^"]+)" with driver/g)].at(-1)?.[1];
}

/** Which shared library could not be loaded and why: ONNX Runtime throws less than it prints to stderr. */
export function loaderError(stderr: string): string | undefined {
  return /Failed to load library \S+ with error: (.+)/.exec(stderr)?.[1];
}
