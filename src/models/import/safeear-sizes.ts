import { Malformed } from "../checkpoint/errors.ts";
import { batchNormKeys } from "./fold.ts";
import { shapeOf, type Weights } from "./weights.ts";

/** A layer of the encoder, in order; `at` is the number that its tensors bear. */
export type EncoderLayer =
  | {
      readonly kind: "convolution";
      readonly at: number;
      readonly from: number;
      readonly to: number;
      readonly kernel: number;
      readonly stride: number;
    }
  | { readonly kind: "residual"; readonly at: number; readonly width: number; readonly hidden: number }
  | {
      readonly kind: "lstm";
      readonly at: number;
      readonly from: number;
      readonly hidden: number;
      readonly layers: number;
    };

/** What a checkpoint's shapes say of a SpeechTokenizer. */
export interface TokenizerSizes {
  readonly encoder: readonly EncoderLayer[];
  /** Samples per frame. */
  readonly hop: number;
  /** Features of a frame, and of a code vector. */
  readonly width: number;
  /** Quantizers, one after the other. */
  readonly stages: number;
  /** Codes of each of them. */
  readonly codes: number;
}

/** What a checkpoint's shapes say of SafeEar's detector. */
export interface DetectorSizes {
  readonly width: number;
  readonly blocks: number;
  /** Rows of its table of positions: the most frames it can hear. */
  readonly longest: number;
  /** Width of the feed-forward layers. */
  readonly inner: number;
}

type Entry = readonly [string, readonly number[]];
/** Every tensor that inference uses, with its shape. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

const encoderKey = (at: number, rest: string): string => `encoder.model.${at}.${rest}`;
const codebookKey = (stage: number, name: string): string => `quantizer.vq.layers.${stage}._codebook.${name}`;

/** The code vectors of a stage, one in each row. */
export const embedKey = (stage: number): string => codebookKey(stage, "embed");

/** 1 where a stage's code vectors have been set. */
export const initedKey = (stage: number): string => codebookKey(stage, "inited");

/** Reads a SpeechTokenizer's sizes off its tensors. Throws Malformed, which names what is missing or no such model's. */
export function tokenizerSizes(weights: Weights): TokenizerSizes {
  const encoder = encoderLayers(weights);
  const stages = numbered(weights, /^quantizer\.vq\.layers\.(\d+)\._codebook\./);
  const [codes = 0, width = 0] = shapeOf(weights, embedKey(0), 2);
  const hop = encoder.reduce(
    (product, layer) => product * (layer.kind === "convolution" ? layer.stride : 1),
    1,
  );
  return { encoder, hop, width, stages, codes };
}

function encoderLayers(weights: Weights): EncoderLayer[] {
  // After the first convolution come groups of three: a residual block, an activation, a convolution that strides.
  const lstmAt = numbered(weights, /^encoder\.model\.(\d+)\.lstm\./) - 1;
  const strides = (lstmAt - 1) / 3;
  if (!Number.isInteger(strides))
    throw new Malformed("the checkpoint has no encoder.model.….lstm where one belongs");
  const groups = Array.from({ length: strides }, (_, i) => [
    residual(weights, 1 + 3 * i),
    convolution(weights, 3 + 3 * i, "strided"),
  ]);
  return [convolution(weights, 0), ...groups.flat(), lstm(weights, lstmAt), convolution(weights, lstmAt + 2)];
}

function convolution(weights: Weights, at: number, strided?: "strided"): EncoderLayer {
  const key = encoderKey(at, "conv.conv.weight_v");
  const [to = 0, from = 0, kernel = 0] = shapeOf(weights, key, 3);
  // A kernel of the published design spans two strides.
  const stride = strided === undefined ? 1 : kernel / 2;
  if (!Number.isInteger(stride) || stride < 1)
    throw new Malformed(`${key} has a kernel of ${kernel}, which is not twice a stride`);
  return { kind: "convolution", at, from, to, kernel, stride };
}

function residual(weights: Weights, at: number): EncoderLayer {
  const [hidden = 0, width = 0] = shapeOf(weights, encoderKey(at, "block.1.conv.conv.weight_v"), 3);
  return { kind: "residual", at, width, hidden };
}

function lstm(weights: Weights, at: number): EncoderLayer {
  const [, from = 0] = shapeOf(weights, encoderKey(at, "lstm.weight_ih_l0"), 2);
  const [, hidden = 0] = shapeOf(weights, encoderKey(at, "lstm.weight_hh_l0"), 2);
  return {
    kind: "lstm",
    at,
    from,
    hidden,
    layers: numbered(weights, /^encoder\.model\.\d+\.lstm\.\w+_l(\d+)/),
  };
}

const most = 64;

/** One more than the largest number that `pattern` finds in a key: one that lacks a tensor counts as well. */
function numbered(weights: Weights, pattern: RegExp): number {
  let count = 0;
  for (const key of weights.keys()) count = Math.max(count, Number(pattern.exec(key)?.[1] ?? -1) + 1);
  if (count <= most) return count;
  throw new Malformed(`the checkpoint counts to ${count - 1} in keys like ${pattern.source}`);
}

/** The tensors of a tokenizer's encoder and code vectors; its decoder and its projection to HuBERT are not among them. */
export function tokenizerShapes({ encoder, width, stages, codes }: TokenizerSizes): Shapes {
  return new Map<string, readonly number[]>([
    ...encoder.flatMap(layerShapes),
    ...Array.from({ length: stages }, (_, stage): Entry[] => [
      [initedKey(stage), [1]],
      [embedKey(stage), [codes, width]],
    ]).flat(),
  ]);
}

function layerShapes(layer: EncoderLayer): Entry[] {
  switch (layer.kind) {
    case "convolution":
      return normed(encoderKey(layer.at, "conv.conv"), [layer.to, layer.from, layer.kernel]);
    case "residual":
      return residualShapes(layer.at, layer.width, layer.hidden);
    case "lstm":
      return Array.from({ length: layer.layers }, (_, i) => lstmShapes(layer, i)).flat();
  }
}

const residualShapes = (at: number, width: number, hidden: number): Entry[] => [
  ...normed(encoderKey(at, "block.1.conv.conv"), [hidden, width, 3]),
  ...normed(encoderKey(at, "block.3.conv.conv"), [width, hidden, 1]),
  ...normed(encoderKey(at, "shortcut.conv.conv"), [width, width, 1]),
];

const lstmShapes = (
  { at, from, hidden }: { at: number; from: number; hidden: number },
  layer: number,
): Entry[] =>
  ["", "_reverse"].flatMap((direction): Entry[] => {
    const key = (name: string): string => encoderKey(at, `lstm.${name}_l${layer}${direction}`);
    return [
      [key("weight_ih"), [4 * hidden, layer === 0 ? from : 2 * hidden]],
      [key("weight_hh"), [4 * hidden, hidden]],
      [key("bias_ih"), [4 * hidden]],
      [key("bias_hh"), [4 * hidden]],
    ];
  });

const normed = (prefix: string, [to, from, kernel]: readonly [number, number, number]): Entry[] => [
  [`${prefix}.weight_g`, [to, 1, 1]],
  [`${prefix}.weight_v`, [to, from, kernel]],
  [`${prefix}.bias`, [to]],
];

/** Reads a detector's sizes off its tensors. Throws Malformed, which names what is missing. */
export function detectorSizes(weights: Weights): DetectorSizes {
  const [, longest = 0, width = 0] = shapeOf(weights, "classifier.positional_emb", 3);
  const [inner = 0] = shapeOf(weights, "classifier.blocks.0.linear1.weight", 2);
  return {
    width,
    longest,
    inner,
    blocks: numbered(weights, /^classifier\.blocks\.(\d+)\./),
  };
}

/** The tensors of a detector that hears `stages` codes of `codeWidth` features in each frame. */
export function detectorShapes(
  { width, blocks, longest, inner }: DetectorSizes,
  { stages, codeWidth }: { readonly stages: number; readonly codeWidth: number },
): Shapes {
  return new Map<string, readonly number[]>([
    ["bottleneck.0.weight", [width, stages * codeWidth, 1]],
    ["bottleneck.0.bias", [width]],
    ...batchNormKeys.map((key): Entry => [`bottleneck.1.${key}`, [width]]),
    ["classifier.positional_emb", [1, longest, width]],
    ...Array.from({ length: blocks }, (_, i) => blockShapes(`classifier.blocks.${i}`, width, inner)).flat(),
    ...vectors("classifier.norm", width),
    ["classifier.attention_pool.weight", [1, width]],
    ["classifier.fc.weight", [2, width]],
    ["classifier.fc.bias", [2]],
  ]);
}

const blockShapes = (prefix: string, width: number, inner: number): Entry[] => [
  ...vectors(`${prefix}.pre_norm`, width),
  [`${prefix}.self_attn.qkv.weight`, [3 * width, width]],
  [`${prefix}.self_attn.proj.weight`, [width, width]],
  [`${prefix}.self_attn.proj.bias`, [width]],
  ...vectors(`${prefix}.norm1`, width),
  [`${prefix}.linear1.weight`, [inner, width]],
  [`${prefix}.linear1.bias`, [inner]],
  [`${prefix}.linear2.weight`, [width, inner]],
  [`${prefix}.linear2.bias`, [width]],
];

const vectors = (prefix: string, width: number): Entry[] => [
  [`${prefix}.weight`, [width]],
  [`${prefix}.bias`, [width]],
];
