import type { Attributes } from "../onnx/attributes.ts";
import type { Graph, Value } from "../onnx/graph.ts";
import { batchNorm, foldBias, scaleRows, transpose, type Affine } from "./fold.ts";
import type { Tensors } from "./weights.ts";

/** Layers under the names and layouts that PyTorch gives their weights, as nodes of a graph. */
export class Layers {
  readonly graph: Graph;
  readonly tensors: Tensors;

  constructor(graph: Graph, tensors: Tensors) {
    this.graph = graph;
    this.tensors = tensors;
  }

  /** A tensor of the checkpoint as it is. */
  tensor(key: string): Value {
    return this.graph.constant(key, this.tensors.get(key), this.tensors.shape(key));
  }

  /** y = W·x + b over the last dimension. */
  linear(x: Value, prefix: string): Value {
    return this.affine(x, prefix, this.tensors.get(`${prefix}.weight`), this.tensors.get(`${prefix}.bias`));
  }

  /** As {@link linear}, of the size that `prefix` has, with weights and bias that something was folded into. */
  affine(x: Value, prefix: string, weight: Float32Array, bias: Float32Array): Value {
    return this.graph.op("Add", [this.product(x, prefix, weight), this.vector(`${prefix}.bias`, bias)]);
  }

  /** W·x over the last dimension, with a weight that something was folded into. */
  product(x: Value, prefix: string, weight: Float32Array): Value {
    const [to = 0, from = 0] = this.tensors.shape(`${prefix}.weight`);
    const matrix = this.graph.constant(`${prefix}.weight`, transpose(weight, to, from), [from, to]);
    return this.graph.op("MatMul", [x, matrix]);
  }

  /** A convolution with its bias, and with `norm` applied to what it gives. */
  convolution(x: Value, prefix: string, attributes: Attributes, norm?: Affine): Value {
    const weight = this.tensors.get(`${prefix}.weight`);
    const bias = this.tensors.get(`${prefix}.bias`);
    const shape = this.tensors.shape(`${prefix}.weight`);
    const w = norm === undefined ? weight : scaleRows(weight, norm.scale);
    const b = norm === undefined ? bias : foldBias(norm, bias);
    return this.graph.op(
      "Conv",
      [x, this.graph.constant(`${prefix}.weight`, w, shape), this.vector(`${prefix}.bias`, b)],
      attributes,
    );
  }

  /** The batch norm under `prefix`, to be folded. */
  norm(prefix: string): Affine {
    return batchNorm(this.tensors, prefix);
  }

  vector(name: string, data: Float32Array): Value {
    return this.graph.constant(name, data, [data.length]);
  }
}
