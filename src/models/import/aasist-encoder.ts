import type { Value } from "../onnx/graph.ts";
import { blocks } from "./aasist-sizes.ts";
import type { Layers } from "./layers.ts";
import { sincBank, sincFilters } from "./sinc.ts";

/** Times by which each of the six blocks and the front end shorten what they are given. */
const pooling = 3;

/** Steps of time that the encoder makes of `window` samples. Throws where none is left. */
export function temporalNodes(window: number): number {
  let length = window - sincFilters.taps + 1;
  for (let i = 0; i <= blocks.length; i++) length = Math.floor(length / pooling);
  if (length >= 1) return length;
  throw new Error(`a window of ${window} samples is too short for AASIST`);
}

/** `[batch, samples]` → `[batch, channels, 23, time]`. */
export function encode(layers: Layers, audio: Value): Value {
  return blocks.reduce((x, i) => block(layers, x, `encoder.${i}.0`), frontEnd(layers, audio));
}

/** Magnitudes of 70 bands, pooled to 23 rows. */
function frontEnd(layers: Layers, audio: Value): Value {
  const { graph } = layers;
  const { count, taps } = sincFilters;
  const bank = graph.constant("sinc", sincBank(), [count, 1, taps]);
  const bands = graph.op("Conv", [graph.op("Unsqueeze", [audio, graph.ints([1])]), bank]);
  const image = graph.op("Abs", [graph.op("Unsqueeze", [bands, graph.ints([1])])]);
  const pooled = graph.op("MaxPool", [image], {
    kernel_shape: [pooling, pooling],
    strides: [pooling, pooling],
  });
  const { scale, shift } = layers.norm("first_bn");
  const scaled = graph.op("Mul", [pooled, layers.vector("first_bn.scale", Float32Array.from(scale))]);
  return graph.op("Selu", [
    graph.op("Add", [scaled, layers.vector("first_bn.shift", Float32Array.from(shift))]),
  ]);
}

/** The published code computes a norm and an activation of `x` first and then drops them: they are not here. */
function block(layers: Layers, x: Value, prefix: string): Value {
  const { graph } = layers;
  const norm = layers.norm(`${prefix}.bn2`);
  const inner = graph.op("Selu", [layers.convolution(x, `${prefix}.conv1`, { pads: [1, 1, 1, 1] }, norm)]);
  const sum = graph.op("Add", [
    layers.convolution(inner, `${prefix}.conv2`, { pads: [0, 1, 0, 1] }),
    skip(layers, x, prefix),
  ]);
  return graph.op("MaxPool", [sum], { kernel_shape: [1, pooling], strides: [1, pooling] });
}

function skip(layers: Layers, x: Value, prefix: string): Value {
  const [to, from] = layers.tensors.shape(`${prefix}.conv1.weight`);
  if (to === from) return x;
  return layers.convolution(x, `${prefix}.conv_downsample`, { pads: [0, 1, 0, 1] });
}
