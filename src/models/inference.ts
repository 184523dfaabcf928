import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Provider } from "./providers.ts";

/** Numbers in rows, as a graph takes and gives them. */
export type Numbers =
  | { readonly data: Float32Array; readonly dims: readonly number[] }
  | { readonly data: Int32Array; readonly dims: readonly number[] };

export interface GraphInput {
  readonly name: string;
  /** `other` is what is no tensor of float32 or int32. */
  readonly type: "float32" | "int32" | "other";
  /** A dimension is a number where the graph fixes it and a name where it leaves it free. */
  readonly shape: readonly (number | string)[];
}

/** An ONNX graph that can be run. */
export interface OpenGraph {
  readonly inputs: readonly GraphInput[];
  readonly outputs: readonly string[];
  /** Holds the JavaScript thread until it is done. Throws where the answer is neither float32 nor int32. */
  run(feeds: Readonly<Record<string, Numbers>>, output: string): Promise<Numbers>;
  release(): Promise<void>;
}

export interface RunSettings {
  /** 1 by default. */
  readonly threads?: number;
  /** Keeps the memory of a run for the next, by default; of no use to runs of ever other lengths. */
  readonly keepsMemory?: boolean;
}

/** Opens a graph. Only in a process that may be killed: a run cannot be stopped. */
export async function openGraph(
  path: string,
  provider: Provider,
  { threads = 1, keepsMemory = true }: RunSettings = {},
): Promise<OpenGraph> {
  const session = await InferenceSession.create(path, {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableMemPattern: false,
    enableCpuMemArena: keepsMemory,
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
  });
  return {
    inputs: session.inputMetadata.map(toInput),
    outputs: session.outputNames,
    run: (feeds, output) => run(session, feeds, output),
    release: () => session.release(),
  };
}

function toInput(input: InferenceSession.ValueMetadata): GraphInput {
  if (!input.isTensor) return { name: input.name, type: "other", shape: [] };
  const type = input.type === "float32" || input.type === "int32" ? input.type : "other";
  return { name: input.name, type, shape: input.shape };
}

async function run(
  session: InferenceSession,
  feeds: Readonly<Record<string, Numbers>>,
  output: string,
): Promise<Numbers> {
  const tensors = Object.entries(feeds).map(([name, numbers]) => [name, toTensor(numbers)] as const);
  const answer = (await session.run(Object.fromEntries(tensors), [output]))[output];
  const data: unknown = answer?.data;
  const dims = answer?.dims ?? [];
  if (data instanceof Float32Array) return { data, dims };
  if (data instanceof Int32Array) return { data, dims };
  throw new Error(`the model's output ${output} is neither float32 nor int32`);
}

const toTensor = ({ data, dims }: Numbers): Tensor =>
  data instanceof Float32Array
    ? new Tensor("float32", data, [...dims])
    : new Tensor("int32", data, [...dims]);
