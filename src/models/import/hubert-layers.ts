import { float } from "../onnx/attributes.ts";
import type { Graph, Value } from "../onnx/graph.ts";
import { transpose } from "./fold.ts";
import { joinScaled, weightNormPerTap } from "./hubert-fold.ts";
import { hubertConvolutionKey, hubertGroupNorm, hubertPositions } from "./hubert-sizes.ts";
import { readTensors, type Weights } from "./weights.ts";

/** PyTorch's default. */
const epsilon = { epsilon: float(1e-5) };

/** A HuBERT's layers as nodes of a graph; their weights are read when the graph is written. */
export class HubertLayers {
  readonly graph: Graph;
  readonly #weights: Weights;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(graph: Graph, weights: Weights, shapes: ReadonlyMap<string, readonly number[]>) {
    this.graph = graph;
    this.#weights = weights;
    this.#shapes = shapes;
  }

  /** A layer that hears the audio: `[batch, channels, steps]` to fewer steps. Only the first has a norm, over time. */
  convolution(x: Value, layer: number, stride: number): Value {
    const y = this.graph.op("Conv", [x, this.#stored(hubertConvolutionKey(layer))], { strides: [stride] });
    if (layer > 0) return this.#gelu(y);
    // One channel is one group, which ONNX calls an instance.
    return this.#gelu(
      this.graph.op("InstanceNormalization", [y, ...this.#weightAndBias(hubertGroupNorm)], epsilon),
    );
  }

  /** What a frame's neighbours say of its place: `[batch, frames, width]` to the same shape. */
  positions(x: Value, { kernel, groups }: { readonly kernel: number; readonly groups: number }): Value {
    const key = (name: string): string => `${hubertPositions}.${name}`;
    const load = async () =>
      weightNormPerTap(await this.#read(key("weight_g")), await this.#read(key("weight_v")));
    const weight = this.graph.constant(
      key("weight"),
      { type: "float32", load },
      this.#shape(key("weight_v")),
    );
    // As many frames as there were; an even kernel hears one more before a frame than after it.
    const before = Math.floor(kernel / 2);
    const channels = this.graph.op("Transpose", [x], { perm: [0, 2, 1] });
    const y = this.graph.op("Conv", [channels, weight, this.#stored(key("bias"))], {
      group: groups,
      pads: [before, kernel - 1 - before],
    });
    return this.graph.op("Transpose", [this.#gelu(y)], { perm: [0, 2, 1] });
  }

  /** What each frame hears of all, each head with its share of the features. */
  attention(x: Value, prefix: string, heads: number): Value {
    const g = this.graph;
    const [width = 0] = this.#shape(`${prefix}.q_proj.bias`);
    const all = g.op("Reshape", [
      this.#queriesKeysValues(x, prefix, width, heads),
      g.ints([0, 0, 3, heads, width / heads]),
    ]);
    const part = (which: number, perm: readonly number[]): Value =>
      g.op("Transpose", [g.op("Gather", [all, g.int(which)], { axis: 2 })], { perm });
    const [q, k, v] = [part(0, [0, 2, 1, 3]), part(1, [0, 2, 3, 1]), part(2, [0, 2, 1, 3])];
    const mixed = g.op("MatMul", [g.op("Softmax", [g.op("MatMul", [q, k])], { axis: -1 }), v]);
    const side = g.op("Reshape", [g.op("Transpose", [mixed], { perm: [0, 2, 1, 3] }), g.ints([0, 0, width])]);
    return this.linear(side, `${prefix}.out_proj`);
  }

  /** One product for all three; the queries' part carries the scale of their products with the keys. */
  #queriesKeysValues(x: Value, prefix: string, width: number, heads: number): Value {
    const joined = async (name: string): Promise<Float32Array> => {
      const read = (part: string) => this.#read(`${prefix}.${part}_proj.${name}`);
      return joinScaled(Math.sqrt(heads / width), await read("q"), await read("k"), await read("v"));
    };
    const weight = async () => transpose(await joined("weight"), 3 * width, width);
    const bias = () => joined("bias");
    const g = this.graph;
    const product = g.op("MatMul", [
      x,
      g.constant(`${prefix}.qkv.weight`, { type: "float32", load: weight }, [width, 3 * width]),
    ]);
    return g.op("Add", [
      product,
      g.constant(`${prefix}.qkv.bias`, { type: "float32", load: bias }, [3 * width]),
    ]);
  }

  /** Two layers with an activation between them. */
  feedForward(x: Value, prefix: string): Value {
    return this.linear(this.#gelu(this.linear(x, `${prefix}.fc1`)), `${prefix}.fc2`);
  }

  /** y = W·x + b over the last dimension. */
  linear(x: Value, prefix: string): Value {
    const key = `${prefix}.weight`;
    const [to = 0, from = 0] = this.#shape(key);
    const load = async () => transpose(await this.#read(key), to, from);
    const product = this.graph.op("MatMul", [
      x,
      this.graph.constant(key, { type: "float32", load }, [from, to]),
    ]);
    return this.graph.op("Add", [product, this.#stored(`${prefix}.bias`)]);
  }

  /** A norm of each frame by itself. */
  norm(x: Value, prefix: string): Value {
    return this.graph.op("LayerNormalization", [x, ...this.#weightAndBias(prefix)], epsilon);
  }

  /** x·Φ(x), exactly. */
  #gelu(x: Value): Value {
    return this.graph.op("com.microsoft.Gelu", [x]);
  }

  #weightAndBias(prefix: string): readonly Value[] {
    return [this.#stored(`${prefix}.weight`), this.#stored(`${prefix}.bias`)];
  }

  #stored(key: string): Value {
    return this.graph.constant(key, { type: "float32", load: () => this.#read(key) }, this.#shape(key));
  }

  async #read(key: string): Promise<Float32Array> {
    const tensors = await readTensors(this.#weights, new Map([[key, this.#shape(key)]]));
    return tensors.get(key);
  }

  #shape(key: string): readonly number[] {
    const shape = this.#shapes.get(key);
    if (shape !== undefined) return shape;
    throw new Error(`a HuBERT has no ${key}`);
  }
}
