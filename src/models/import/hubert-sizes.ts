import { Malformed } from "../checkpoint/errors.ts";
import { shapeOf, type Weights } from "./weights.ts";

/** What a checkpoint's shapes say of a HuBERT. */
export interface HubertSizes {
  /** Channels out of each layer of {@link hubertConvolutions}. */
  readonly channels: readonly number[];
  /** Features of a frame. */
  readonly width: number;
  /** Width of the feed-forward layers. */
  readonly inner: number;
  readonly blocks: number;
  /** The convolution that tells where a frame stands. */
  readonly positions: { readonly kernel: number; readonly groups: number };
}

/** The layers that hear the audio, as they are published: no shape tells a stride. */
export const hubertConvolutions = [
  { kernel: 10, stride: 5 },
  { kernel: 3, stride: 2 },
  { kernel: 3, stride: 2 },
  { kernel: 3, stride: 2 },
  { kernel: 3, stride: 2 },
  { kernel: 2, stride: 2 },
  { kernel: 2, stride: 2 },
] as const;

/** Samples from one frame to the next. */
export const hubertHop = hubertConvolutions.reduce((product, { stride }) => product * stride, 1);

/** Frames, 50 a second, that a HuBERT makes of `samples` at 16 kHz: none of fewer than 400. */
export const hubertFrames = (samples: number): number =>
  hubertConvolutions.reduce(
    (length, { kernel, stride }) => Math.max(0, Math.floor((length - kernel) / stride) + 1),
    samples,
  );

/** The weight, bias and norms of a block's attention, and of its feed-forward layers, stand under this. */
export const hubertBlock = (block: number): string => `encoder.layers.${block}`;

/** The weight of a layer that hears the audio. */
export const hubertConvolutionKey = (layer: number): string =>
  `feature_extractor.conv_layers.${layer}.0.weight`;

/** Of the first layer that hears the audio: the only one with a norm. */
export const hubertGroupNorm = "feature_extractor.conv_layers.0.2";

/** Of the convolution that tells where a frame stands. */
export const hubertPositions = "encoder.pos_conv.0";

/**
 * Reads a HuBERT's sizes off its tensors. Throws Malformed, which names what is missing, or what such a model has no
 * place for: others of its kind (the large ones) have norms and biases in more places.
 */
export function hubertSizes(weights: Weights): HubertSizes {
  const channels = hubertConvolutions.map((_, i) => shapeOf(weights, hubertConvolutionKey(i), 3)[0] ?? 0);
  const [width = 0, each = 0, kernel = 0] = shapeOf(weights, `${hubertPositions}.weight_v`, 3);
  const [inner = 0] = shapeOf(weights, `${hubertBlock(0)}.fc1.weight`, 2);
  const groups = width / each;
  if (!Number.isInteger(groups)) {
    throw new Malformed(
      `${hubertPositions}.weight_v hears ${each} of ${width} features, which makes no whole groups`,
    );
  }
  let blocks = 1;
  while (weights.has(`${hubertBlock(blocks)}.fc1.weight`)) blocks++;
  const sizes = { channels, width, inner, blocks, positions: { kernel, groups } };
  checkNoOthers(weights, hubertShapes(sizes));
  return sizes;
}

const inference = /^(feature_extractor|encoder|layer_norm|post_extract_proj)\./;

function checkNoOthers(weights: Weights, shapes: ReadonlyMap<string, unknown>): void {
  for (const key of weights.keys()) {
    if (inference.test(key) && !shapes.has(key)) {
      throw new Malformed(`the checkpoint has ${key}, which has no place in a HuBERT of the base design`);
    }
  }
}

/** Every tensor that inference uses, with its shape; what only training used is not among them. */
export function hubertShapes({
  channels,
  width,
  inner,
  blocks,
  positions: { kernel, groups },
}: HubertSizes): ReadonlyMap<string, readonly number[]> {
  const heard = channels.at(-1) ?? 0;
  return new Map<string, readonly number[]>([
    ...hubertConvolutions.map((layer, i): Entry => {
      const from = i === 0 ? 1 : (channels[i - 1] ?? 0);
      return [hubertConvolutionKey(i), [channels[i] ?? 0, from, layer.kernel]];
    }),
    ...norm(hubertGroupNorm, channels[0] ?? 0),
    ...norm("layer_norm", heard),
    ...linear("post_extract_proj", heard, width),
    [`${hubertPositions}.weight_g`, [1, 1, kernel]],
    [`${hubertPositions}.weight_v`, [width, width / groups, kernel]],
    [`${hubertPositions}.bias`, [width]],
    ...norm("encoder.layer_norm", width),
    ...Array.from({ length: blocks }, (_, i) => blockShapes(hubertBlock(i), width, inner)).flat(),
  ]);
}

type Entry = readonly [string, readonly number[]];

const blockShapes = (prefix: string, width: number, inner: number): Entry[] => [
  ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((name) =>
    linear(`${prefix}.self_attn.${name}`, width, width),
  ),
  ...norm(`${prefix}.self_attn_layer_norm`, width),
  ...linear(`${prefix}.fc1`, width, inner),
  ...linear(`${prefix}.fc2`, inner, width),
  ...norm(`${prefix}.final_layer_norm`, width),
];

const norm = (prefix: string, width: number): Entry[] => [
  [`${prefix}.weight`, [width]],
  [`${prefix}.bias`, [width]],
];

const linear = (prefix: string, from: number, to: number): Entry[] => [
  [`${prefix}.weight`, [to, from]],
  [`${prefix}.bias`, [to]],
];
