import { Malformed } from "../checkpoint/errors.ts";
import { batchNormKeys } from "./fold.ts";
import { shapeOf, type Weights } from "./weights.ts";

/** What a checkpoint's shapes say of an AASIST, and what only its name does. */
export interface AasistSizes {
  /** Channels into the first of the six residual blocks, then out of each. */
  readonly widths: readonly number[];
  /** Features of a node of the first graph layers. */
  readonly nodeWidth: number;
  /** Features of a node of the last ones. */
  readonly hiddenWidth: number;
  /** Share of the nodes kept: of the spectral graph, of the temporal graph, and of both where they meet. */
  readonly keep: readonly [number, number, number];
}

/** A published variant; the shares of nodes kept are in no tensor, so the width of the last block tells which it is. */
export interface AasistVariant {
  readonly name: "AASIST" | "AASIST-L";
  readonly lastWidth: number;
  readonly keep: AasistSizes["keep"];
}

const variants: readonly AasistVariant[] = [
  { name: "AASIST", lastWidth: 64, keep: [0.5, 0.7, 0.5] },
  { name: "AASIST-L", lastWidth: 24, keep: [0.4, 0.5, 0.7] },
];

/** Rows of the sinc filters' output after pooling; the positions of the spectral nodes fix it. */
export const spectralNodes = 23;

export const blocks = [0, 1, 2, 3, 4, 5] as const;

/** The four layers where temporal and spectral nodes meet: two branches of two. */
export const meetings = ["ST11", "ST12", "ST21", "ST22"] as const;

/** Which of the published variants `weights` are. Throws Malformed, which says why they are neither. */
export function variantOf(weights: Weights): AasistVariant {
  const [lastWidth = 0] = shapeOf(weights, "encoder.5.0.conv2.weight", 4);
  const variant = variants.find((one) => one.lastWidth === lastWidth);
  if (variant !== undefined) return variant;
  throw new Malformed(`the last block has ${lastWidth} channels: AASIST has 64, AASIST-L 24`);
}

/** The sizes that the tensors of `weights` have. Throws Malformed, which names what is missing. */
export function sizesOf(weights: Weights, keep: AasistSizes["keep"]): AasistSizes {
  const outOf = (block: number) => shapeOf(weights, `encoder.${block}.0.conv1.weight`, 4)[0] ?? 0;
  return {
    widths: [1, ...blocks.map(outOf)],
    nodeWidth: shapeOf(weights, "GAT_layer_S.proj_with_att.weight", 2)[0] ?? 0,
    hiddenWidth: shapeOf(weights, "HtrgGAT_layer_ST11.proj_with_att.weight", 2)[0] ?? 0,
    keep,
  };
}

/** Every tensor that inference uses, with its shape. A checkpoint has more: counters, and norms that are never applied. */
export function aasistShapes(sizes: AasistSizes): ReadonlyMap<string, readonly number[]> {
  const { widths, nodeWidth, hiddenWidth } = sizes;
  const width = widths.at(-1) ?? 0;
  return new Map<string, readonly number[]>([
    ["pos_S", [1, spectralNodes, width]],
    ["master1", [1, 1, nodeWidth]],
    ["master2", [1, 1, nodeWidth]],
    ...norm("first_bn", 1),
    ...blocks.flatMap((i) => block(`encoder.${i}.0`, widths[i] ?? 0, widths[i + 1] ?? 0)),
    ...["S", "T"].flatMap((axis) => [
      ...attention(`GAT_layer_${axis}`, width, nodeWidth),
      ...linear(`pool_${axis}.proj`, nodeWidth, 1),
    ]),
    ...meetings.flatMap((name) =>
      meeting(`HtrgGAT_layer_${name}`, name.endsWith("1") ? nodeWidth : hiddenWidth, hiddenWidth),
    ),
    ...["hS1", "hT1", "hS2", "hT2"].flatMap((pool) => linear(`pool_${pool}.proj`, hiddenWidth, 1)),
    ...linear("out_layer", 5 * hiddenWidth, 2),
  ]);
}

type Entry = [string, readonly number[]];

const norm = (prefix: string, width: number): Entry[] =>
  batchNormKeys.map((key) => [`${prefix}.${key}`, [width]]);

const linear = (prefix: string, from: number, to: number): Entry[] => [
  [`${prefix}.weight`, [to, from]],
  [`${prefix}.bias`, [to]],
];

const convolution = (prefix: string, [to, ...rest]: readonly [number, ...number[]]): Entry[] => [
  [`${prefix}.weight`, [to, ...rest]],
  [`${prefix}.bias`, [to]],
];

const block = (prefix: string, from: number, to: number): Entry[] => [
  ...convolution(`${prefix}.conv1`, [to, from, 2, 3]),
  ...norm(`${prefix}.bn2`, to),
  ...convolution(`${prefix}.conv2`, [to, to, 2, 3]),
  ...(from === to ? [] : convolution(`${prefix}.conv_downsample`, [to, from, 1, 3])),
];

const attention = (prefix: string, from: number, to: number): Entry[] => [
  [`${prefix}.att_weight`, [to, 1]],
  ...["att_proj", "proj_with_att", "proj_without_att"].flatMap((name) =>
    linear(`${prefix}.${name}`, from, to),
  ),
  ...norm(`${prefix}.bn`, to),
];

const meeting = (prefix: string, from: number, to: number): Entry[] => [
  ...["11", "22", "12", "M"].map((pair): Entry => [`${prefix}.att_weight${pair}`, [to, 1]]),
  ...["proj_type1", "proj_type2"].flatMap((name) => linear(`${prefix}.${name}`, from, from)),
  ...[
    "att_proj",
    "att_projM",
    "proj_with_att",
    "proj_without_att",
    "proj_with_attM",
    "proj_without_attM",
  ].flatMap((name) => linear(`${prefix}.${name}`, from, to)),
  ...norm(`${prefix}.bn`, to),
];
