import type { Graph, Value } from "../onnx/graph.ts";
import { join, negativeNorms, reorderGates, weightNorm } from "./safeear-fold.ts";
import { embedKey, type EncoderLayer, type TokenizerSizes } from "./safeear-sizes.ts";
import type { Weights } from "./weights.ts";

/** A signal with the layout `[batch, channels, steps]`; the steps are undefined where only a run tells them. */
export interface Signal {
  readonly value: Value;
  readonly steps: number | undefined;
}

/** What a tokenizer makes of audio. */
export interface Tokens {
  /** The encoder's features, float32 `[batch, width, frames]`. */
  readonly features: Value;
  /** The nearest code of each stage, int32 `[batch, stages, frames]`. */
  readonly codes: Value;
  /** Undefined where the number of samples is. */
  readonly frames: number | undefined;
}

/** The least samples that can be mirrored at every layer's edges: each layer must hear more steps than it mirrors. */
export function fewestSamples({ encoder }: TokenizerSizes): number {
  let [fewest, hop] = [1, 1];
  for (const layer of encoder) {
    if (layer.kind !== "convolution") continue;
    const padding = layer.kernel - layer.stride;
    const mirrored = Math.floor(padding / 2) + Math.max(padding % 2, layer.stride - 1);
    fewest = Math.max(fewest, mirrored * hop + 1);
    hop *= layer.stride;
  }
  return fewest;
}

/**
 * A SpeechTokenizer's encoder and residual quantizer over `audio`, `[batch, samples]`. Of a fixed number of `samples`, or
 * of any from {@link fewestSamples} where that is undefined. Weights are read when the graph is written, here and below.
 */
export function tokenize(
  graph: Graph,
  weights: Weights,
  sizes: TokenizerSizes,
  audio: Value,
  samples?: number,
): Tokens {
  return quantize(graph, weights, sizes, convolve(graph, weights, sizes, audio, samples));
}

/**
 * How far a frame's convolutions before the recurrent layer reach: from `before` samples ahead of the frame's first to
 * `after` samples past it. What lies within the audio is computed alike wherever the audio begins or ends.
 */
export function reach(sizes: TokenizerSizes): { readonly before: number; readonly after: number } {
  let [before, after] = [0, 0];
  for (const layer of convolutions(sizes).toReversed()) {
    if (layer.kind === "residual") {
      before += 1;
      after += 1;
    } else if (layer.kind === "convolution") {
      const padding = layer.kernel - layer.stride;
      const left = padding - Math.floor(padding / 2);
      before = before * layer.stride + left;
      after = after * layer.stride + layer.kernel - 1 - left;
    }
  }
  return { before, after };
}

/** The layers that hear no more than their surroundings. */
function convolutions({ encoder }: TokenizerSizes): readonly EncoderLayer[] {
  return encoder.slice(
    0,
    encoder.findIndex(({ kind }) => kind === "lstm"),
  );
}

/** The first half of {@link tokenize}: the convolutions before the recurrent layer. */
export function convolve(
  graph: Graph,
  weights: Weights,
  sizes: TokenizerSizes,
  audio: Value,
  samples?: number,
): Signal {
  const encoder = new Encoder(graph, weights);
  let signal: Signal = { value: graph.op("Unsqueeze", [audio, graph.ints([1])]), steps: samples };
  for (const [i, layer] of convolutions(sizes).entries()) signal = encoder.apply(signal, layer, i > 0);
  return signal;
}

/** The second half: the recurrent layer, the last convolution and the residual quantizer. */
export function quantize(graph: Graph, weights: Weights, sizes: TokenizerSizes, convolved: Signal): Tokens {
  const encoder = new Encoder(graph, weights);
  let signal = convolved;
  for (const layer of sizes.encoder.slice(convolutions(sizes).length)) {
    signal = encoder.apply(signal, layer, true);
  }
  return {
    features: signal.value,
    frames: signal.steps,
    codes: nearestCodes(graph, weights, sizes, signal.value),
  };
}

class Encoder {
  readonly #graph: Graph;
  readonly #weights: Weights;

  constructor(graph: Graph, weights: Weights) {
    this.#graph = graph;
    this.#weights = weights;
  }

  /** A convolution of the main path hears what was activated, all but the first. */
  apply(signal: Signal, layer: EncoderLayer, activated: boolean): Signal {
    const prefix = `encoder.model.${layer.at}`;
    switch (layer.kind) {
      case "convolution": {
        const from = activated ? this.#elu(signal) : signal;
        return this.#convolution(from, `${prefix}.conv.conv`, layer, layer.stride);
      }
      case "residual":
        return this.#residual(signal, prefix, layer);
      case "lstm":
        return { ...signal, value: this.#lstm(signal.value, prefix, layer) };
    }
  }

  /** The shortcut is a convolution as well, and takes what was not activated. */
  #residual(signal: Signal, prefix: string, { width, hidden }: { width: number; hidden: number }): Signal {
    const key = (name: string): string => `${prefix}.${name}.conv.conv`;
    const inner = this.#convolution(this.#elu(signal), key("block.1"), {
      from: width,
      to: hidden,
      kernel: 3,
    });
    const outer = this.#convolution(this.#elu(inner), key("block.3"), { from: hidden, to: width, kernel: 1 });
    const shortcut = this.#convolution(signal, key("shortcut"), { from: width, to: width, kernel: 1 });
    return { ...signal, value: this.#graph.op("Add", [shortcut.value, outer.value]) };
  }

  #elu(signal: Signal): Signal {
    return { ...signal, value: this.#graph.op("Elu", [signal.value]) };
  }

  #convolution(
    signal: Signal,
    prefix: string,
    { from, to, kernel }: { readonly from: number; readonly to: number; readonly kernel: number },
    stride = 1,
  ): Signal {
    const weight = this.#graph.constant(
      `${prefix}.weight`,
      {
        type: "float32",
        load: async () =>
          weightNorm(
            await this.#weights.float32(`${prefix}.weight_g`),
            await this.#weights.float32(`${prefix}.weight_v`),
          ),
      },
      [to, from, kernel],
    );
    const padded = this.#reflect(signal, kernel, stride);
    const value = this.#graph.op("Conv", [padded, weight, this.#stored(`${prefix}.bias`, [to])], {
      strides: [stride],
    });
    return { value, steps: signal.steps === undefined ? undefined : Math.ceil(signal.steps / stride) };
  }

  /** Mirrors as much at both ends as makes one step of every `stride`, the last of them begun. */
  #reflect({ value, steps }: Signal, kernel: number, stride: number): Value {
    const padding = kernel - stride;
    if (padding === 0) return value;
    const right = Math.floor(padding / 2);
    const left = padding - right;
    const pads =
      steps === undefined && stride > 1
        ? this.#padsAtRun(value, left, right, stride)
        : this.#graph.ints([0, 0, left, 0, 0, right + missing(steps ?? 0, stride)]);
    return this.#graph.op("Pad", [value, pads], { mode: "reflect" });
  }

  #padsAtRun(value: Value, left: number, right: number, stride: number): Value {
    const g = this.#graph;
    const steps = g.op("Shape", [value], { start: 2 });
    // ONNX's remainder has the sign of the divisor.
    const extra = g.op("Mod", [g.op("Neg", [steps]), g.ints([stride])]);
    return g.op("Concat", [g.ints([0, 0, left, 0, 0]), g.op("Add", [extra, g.ints([right])])], { axis: 0 });
  }

  /** Its layers in both directions, and one skip round all of them to each direction. */
  #lstm(
    value: Value,
    prefix: string,
    { from, hidden, layers }: { from: number; hidden: number; layers: number },
  ): Value {
    const g = this.#graph;
    const input = g.op("Transpose", [value], { perm: [2, 0, 1] });
    let y = input;
    for (let layer = 0; layer < layers; layer++) {
      const [w, r, b] = this.#lstmWeights(`${prefix}.lstm`, layer, layer === 0 ? from : 2 * hidden, hidden);
      const both = g.op("LSTM", [y, w, r, b], { direction: "bidirectional", hidden_size: hidden });
      // [steps, direction, batch, hidden], the directions to stand side by side.
      y = g.op("Reshape", [g.op("Transpose", [both], { perm: [0, 2, 1, 3] }), g.ints([0, 0, -1])]);
    }
    const skipped = g.op("Add", [y, g.op("Concat", [input, input], { axis: 2 })]);
    return g.op("Transpose", [skipped], { perm: [1, 2, 0] });
  }

  #lstmWeights(prefix: string, layer: number, from: number, hidden: number): [Value, Value, Value] {
    const both = (names: readonly string[]) => async (): Promise<Float32Array> => {
      const parts: Float32Array[] = [];
      for (const direction of ["", "_reverse"]) {
        for (const name of names) {
          parts.push(reorderGates(await this.#weights.float32(`${prefix}.${name}_l${layer}${direction}`)));
        }
      }
      return join(parts);
    };
    const constant = (names: readonly string[], shape: readonly number[]): Value =>
      this.#graph.constant(
        `${prefix}.${names.join("_")}_l${layer}`,
        { type: "float32", load: both(names) },
        shape,
      );
    return [
      constant(["weight_ih"], [2, 4 * hidden, from]),
      constant(["weight_hh"], [2, 4 * hidden, hidden]),
      constant(["bias_ih", "bias_hh"], [2, 8 * hidden]),
    ];
  }

  #stored(key: string, shape: readonly number[]): Value {
    return this.#graph.constant(key, { type: "float32", load: () => this.#weights.float32(key) }, shape);
  }
}

/** Steps that are missing until `stride` divides them. */
const missing = (steps: number, stride: number): number => stride * Math.ceil(steps / stride) - steps;

/** Each stage takes the code nearest to what the stages before it left over; of several that are as near, the first. */
function nearestCodes(
  g: Graph,
  weights: Weights,
  { stages, codes, width }: TokenizerSizes,
  features: Value,
): Value {
  const frames = g.op("Transpose", [features], { perm: [0, 2, 1] });
  const rows = g.op("Shape", [frames], { end: 2 });
  let rest = g.op("Reshape", [frames, g.ints([-1, width])]);
  const chosen: Value[] = [];
  for (let stage = 0; stage < stages; stage++) {
    const load = () => weights.float32(embedKey(stage));
    const embed = g.constant(embedKey(stage), { type: "float32", load }, [codes, width]);
    const norms = { type: "float32" as const, load: async () => negativeNorms(await load(), codes) };
    const bias = g.constant(`${embedKey(stage)}.norms`, norms, [codes]);
    // −‖r − e‖² = 2 r·e − ‖e‖² − ‖r‖², whose last term is the same for every code.
    const nearness = g.op("Gemm", [rest, embed, bias], { transB: 1, alpha: { float: 2 } });
    const code = g.op("ArgMax", [nearness], { axis: 1, keepdims: 0 });
    chosen.push(g.op("Unsqueeze", [g.op("Reshape", [code, rows]), g.ints([1])]));
    if (stage < stages - 1) rest = g.op("Sub", [rest, g.op("Gather", [embed, code])]);
  }
  // Integers that JavaScript has in ordinary numbers: ONNX's type 6 is int32.
  return g.op("Cast", [g.op("Concat", chosen, { axis: 1 })], { to: 6 });
}
