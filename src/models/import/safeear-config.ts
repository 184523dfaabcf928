import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import { CheckpointError, quoted } from "../checkpoint/errors.ts";
import { defaultOrder, type FrameOrder } from "../safeear/permutation.ts";
import type { TokenizerSizes } from "./safeear-sizes.ts";

/** What no shape tells of a detector. */
export interface DetectorConfig {
  /** Of its attention. */
  readonly heads: number;
  /** As its class puts frames: SafeEar1s shuffles them, SafeEar turns each second round. */
  readonly order: FrameOrder;
}

const sizes = z.looseObject({
  sample_rate: z.literal(16_000).optional(),
  activation: z.literal("ELU").optional(),
  n_residual_layers: z.literal(1).optional(),
  bidirectional: z.literal(true).optional(),
  strides: z.array(z.int().positive()).optional(),
});

const detector = z.looseObject({
  class: z.string().optional(),
  detect_model: z.looseObject({ num_heads: z.int().positive().optional() }).optional(),
});

const configBytes = 1 << 20;
const publishedHeads = 8;

/**
 * Checks a tokenizer's `config.json` against what its tensors say; one that is not there says nothing. Throws
 * CheckpointError, which names the file and what would be another model.
 */
export async function checkTokenizerConfig(path: string, { encoder }: TokenizerSizes): Promise<void> {
  const config = await readConfig(path, sizes);
  const own = encoder.flatMap((layer) =>
    layer.kind === "convolution" && layer.stride > 1 ? [layer.stride] : [],
  );
  // The file has them in the decoder's order.
  const wanted = [...(config?.strides ?? own.toReversed())].reverse();
  if (wanted.join() === own.join()) return;
  throw new CheckpointError(path, `gives strides ${wanted.join(", ")}, the tensors have ${own.join(", ")}`);
}

/** Reads `detect_config.json`; what it does not say, or its absence, means 8 heads and SafeEar1s. Throws CheckpointError. */
export async function readDetectorConfig(path: string, width: number): Promise<DetectorConfig> {
  const config = await readConfig(path, detector);
  const heads = config?.detect_model?.num_heads ?? publishedHeads;
  if (width % heads !== 0) throw new CheckpointError(path, `${heads} heads do not divide ${width} features`);
  return { heads, order: orderOf(path, config?.class ?? "SafeEar1s") };
}

const orders = new Map<string, FrameOrder>([
  ["SafeEar1s", defaultOrder],
  ["SafeEar", { kind: "flip" }],
]);

function orderOf(path: string, name: string): FrameOrder {
  // Whatever module it is in.
  const order = orders.get(name.slice(name.lastIndexOf(".") + 1));
  if (order !== undefined) return order;
  throw new CheckpointError(path, `names the class ${quoted(name)}, which is neither SafeEar1s nor SafeEar`);
}

async function readConfig<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let json: unknown;
  try {
    if ((await stat(path)).size > configBytes)
      throw new CheckpointError(path, `is larger than ${configBytes} bytes`);
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    if (cause instanceof SyntaxError) throw new CheckpointError(path, "is not JSON", { cause });
    throw cause;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "(root)"}: ${issue.message}`,
  );
  throw new CheckpointError(path, `is not as expected: ${problems.join("; ")}`);
}
