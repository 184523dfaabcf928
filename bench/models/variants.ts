/** Other ways to compute the recurrent layers exactly: the same weights, the same answer. */
import { join } from "node:path";
import { Tensor } from "onnxruntime-node";
import { withSafeear } from "../../src/models/import/safeear-source.ts";
import { writeModel } from "../../src/models/onnx/write-model.ts";
import { median } from "../figures.ts";
import { files } from "./checkpoints.ts";
import { bidirectional, separate } from "./lstm.ts";
import { agree, inputOf, openSession, toValues } from "./measure.ts";
import { parts } from "./parts.ts";
import { processorMs } from "./spent.ts";

interface Variant {
  readonly title: string;
  readonly graph: "both" | "separate";
  readonly threads: number;
  readonly options?: object;
}

const variants: readonly Variant[] = [
  { title: "one operator for both directions", graph: "both", threads: 1 },
  { title: "one operator for each direction", graph: "separate", threads: 1 },
  {
    title: "the same, weights not packed",
    graph: "both",
    threads: 1,
    options: session({ disable_prepacking: "1" }),
  },
  {
    title: "the same, denormals as zero",
    graph: "both",
    threads: 1,
    options: session({ set_denormal_as_zero: "1" }),
  },
  { title: "two threads in each product", graph: "both", threads: 2 },
  {
    title: "a thread for each direction",
    graph: "separate",
    threads: 1,
    options: { interOpNumThreads: 2, executionMode: "parallel" },
  },
];

function session(settings: Readonly<Record<string, string>>): object {
  return { extra: { session: settings } };
}

export async function measureVariants(checkpoints: string, scratch: string, rounds: number): Promise<void> {
  console.log(
    "\nThe BiLSTM in other ways, ms of the processor (of all threads together) for one window in batches of 1 / 2 / 4",
  );
  const paths = await withSafeear(join(checkpoints, files.safeear), async ({ tokenizer: { weights } }) => {
    const write = async (name: string, graph: ReturnType<typeof separate>): Promise<string> => {
      const external = { file: "weights.bin", thresholdBytes: 1 << 16 };
      await writeModel(graph, join(scratch, name), { external });
      return join(scratch, name, "model.onnx");
    };
    return {
      both: await write("both", bidirectional(weights)),
      separate: await write("separate", separate(weights)),
    };
  });
  let first: ReturnType<typeof toValues> | undefined;
  for (const variant of variants) {
    const { ms, output } = await time(variant, paths[variant.graph], rounds);
    first ??= output;
    const cells = ms.map((value) => value.toFixed(0)).join(" / ");
    console.log(`${variant.title.padEnd(36)} ${cells.padStart(16)}   ${agree(output, first)}`);
  }
}

async function time({ threads, options }: Variant, path: string, rounds: number) {
  const opened = await openSession(path, threads, options);
  const ms: number[] = [];
  let output: ReturnType<typeof toValues> = new Float32Array();
  for (const batch of [1, 2, 4]) {
    const values = inputOf(parts.lstm, batch, new Float32Array());
    const x = new Tensor("float32", Float32Array.from(values), parts.lstm.shape(batch));
    const spent: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const begun = processorMs();
      const { y } = await opened.run({ x });
      if (round > 0) spent.push((processorMs() - begun) / batch);
      if (batch === 1) output = toValues(y);
    }
    ms.push(median(spent));
  }
  await opened.release();
  return { ms, output };
}
