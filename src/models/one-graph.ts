import { openGraph, type OpenGraph } from "./inference.ts";
import type { OpenModel } from "./messages.ts";
import type { Batch, Scorer } from "./scorer.ts";

export type OneGraph = Extract<OpenModel["graphs"], { kind: "one" }>;

/** A model that is one graph from windows to outputs. Throws an Error where it is not what its manifest says. */
export async function openOneGraph(graphs: OneGraph, model: OpenModel): Promise<Scorer> {
  const graph = await openGraph(graphs.path, model.provider);
  checkInput(graph, graphs, model);
  checkOutput(graph, graphs);
  return {
    score: (batch, size) => score(graph, graphs, model, batch, size),
    forget: () => undefined,
    release: () => graph.release(),
  };
}

function checkInput({ inputs }: OpenGraph, { input: name }: OneGraph, model: OpenModel): void {
  const [input, ...others] = inputs;
  if (input?.name !== name || others.length > 0) {
    const names = inputs.map((one) => one.name).join(", ");
    throw new Error(`the model's inputs are ${names}, its manifest says ${name}`);
  }
  if (input.type !== "float32" || input.shape.length !== 2) {
    throw new Error(`the model's input ${name} is not float32 of shape [batch, samples]`);
  }
  checkShape(input.shape, model);
}

function checkShape([rows, window]: readonly (number | string)[], model: OpenModel): void {
  if (typeof window === "number" && window !== model.window) {
    throw new Error(`the model takes windows of ${window} samples, its manifest says ${model.window}`);
  }
  if (typeof rows === "number" && model.batchSizes.some((size) => size !== rows)) {
    throw new Error(`the model takes batches of ${rows}, its manifest says ${model.batchSizes.join(", ")}`);
  }
}

function checkOutput({ outputs }: OpenGraph, { output }: OneGraph): void {
  if (outputs.includes(output)) return;
  throw new Error(`the model's outputs are ${outputs.join(", ")}, its manifest says ${output}`);
}

async function score(
  graph: OpenGraph,
  { input, output }: OneGraph,
  { window, outputWidth }: OpenModel,
  batch: Batch,
  size: number,
): Promise<Float32Array> {
  if (batch.kind !== "audio") throw new Error("the model takes audio alone");
  const { data, dims } = await graph.run({ [input]: { data: batch.samples, dims: [size, window] } }, output);
  if (!(data instanceof Float32Array)) throw new Error(`the model's output ${output} is not float32`);
  if (dims[0] !== size || data.length !== size * outputWidth) {
    const want = outputWidth === 1 ? `[${size}] or [${size}, 1]` : `[${size}, ${outputWidth}]`;
    throw new Error(`the model's output ${output} has shape [${dims.join(", ")}], not ${want}`);
  }
  return data;
}
