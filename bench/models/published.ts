/** The tensors of the published checkpoints, in the order that their files have them: what is used and what is not. */
import type { AasistSizes } from "../../src/models/import/aasist-sizes.ts";
import { hubertShapes, type HubertSizes } from "../../src/models/import/hubert-sizes.ts";
import {
  detectorShapes,
  tokenizerShapes,
  type DetectorSizes,
  type TokenizerSizes,
} from "../../src/models/import/safeear-sizes.ts";

export type Shapes = ReadonlyMap<string, readonly number[]>;
type Entry = readonly [string, readonly number[]];

/** Samples of one window. */
export const windowSamples = 64_600;

/** Channels between the strided layers, and their strides, from the audio to the frames. */
const channels = [64, 128, 256, 512, 1024] as const;
const strides = [2, 4, 5, 8] as const;

const group = (i: number): TokenizerSizes["encoder"] => {
  const [width = 0, to = 0, stride = 0] = [channels[i], channels[i + 1], strides[i]];
  return [
    { kind: "residual", at: 1 + 3 * i, width, hidden: width / 2 },
    { kind: "convolution", at: 3 + 3 * i, from: width, to, kernel: 2 * stride, stride },
  ];
};

/** SpeechTokenizer's, as SafeEar uses it. */
export const tokenizerSizes: TokenizerSizes = {
  encoder: [
    { kind: "convolution", at: 0, from: 1, to: 64, kernel: 7, stride: 1 },
    ...strides.flatMap((_, i) => group(i)),
    { kind: "lstm", at: 13, from: 1024, hidden: 1024, layers: 2 },
    { kind: "convolution", at: 15, from: 2048, to: 1024, kernel: 7, stride: 1 },
  ],
  hop: 320,
  width: 1024,
  stages: 8,
  codes: 1024,
};

/** SafeEar's detector. */
export const detectorSizes: DetectorSizes = { width: 1024, blocks: 2, longest: 10_000, inner: 1024 };

/** HuBERT base. */
export const hubertSizes: HubertSizes = {
  channels: Array.from({ length: 7 }, () => 512),
  width: 768,
  inner: 3072,
  blocks: 12,
  positions: { kernel: 128, groups: 16 },
};

export const aasistSizes: Readonly<Record<"aasist" | "aasist-l", AasistSizes>> = {
  aasist: { widths: [1, 32, 32, 64, 64, 64, 64], nodeWidth: 64, hiddenWidth: 32, keep: [0.5, 0.7, 0.5] },
  "aasist-l": { widths: [1, 32, 32, 24, 24, 24, 24], nodeWidth: 24, hiddenWidth: 32, keep: [0.4, 0.5, 0.7] },
};

/** `SpeechTokenizer.pt`: 166 tensors, of which a scoring needs 86. */
export function tokenizerFile(): Shapes {
  const used = tokenizerShapes(tokenizerSizes);
  const { stages, codes, width } = tokenizerSizes;
  const statistics = Array.from({ length: stages }, (_, stage): Entry[] => [
    [`quantizer.vq.layers.${stage}._codebook.cluster_size`, [codes]],
    [`quantizer.vq.layers.${stage}._codebook.embed_avg`, [codes, width]],
  ]);
  const projection: Entry[] = [
    ["transform.weight", [768, 1024]],
    ["transform.bias", [768]],
  ];
  return new Map([...used, ...projection, ...statistics.flat(), ...decoder()]);
}

/** What would make audio of codes; nothing here ever reads it. */
function decoder(): Entry[] {
  const lstm = [0, 1].flatMap((layer): Entry[] => [
    [`decoder.model.1.lstm.weight_ih_l${layer}`, [4096, 1024]],
    [`decoder.model.1.lstm.weight_hh_l${layer}`, [4096, 1024]],
    [`decoder.model.1.lstm.bias_ih_l${layer}`, [4096]],
    [`decoder.model.1.lstm.bias_hh_l${layer}`, [4096]],
  ]);
  const groups = strides.toReversed().flatMap((stride, i): Entry[] => {
    const [from = 0, to = 0] = [channels[4 - i], channels[3 - i]];
    const block = `decoder.model.${4 + 3 * i}`;
    return [
      [`decoder.model.${3 + 3 * i}.convtr.convtr.bias`, [to]],
      [`decoder.model.${3 + 3 * i}.convtr.convtr.weight_g`, [from, 1, 1]],
      [`decoder.model.${3 + 3 * i}.convtr.convtr.weight_v`, [from, to, 2 * stride]],
      ...normed(`${block}.block.1.conv.conv`, to / 2, to, 3),
      ...normed(`${block}.block.3.conv.conv`, to, to / 2, 1),
      ...normed(`${block}.shortcut.conv.conv`, to, to, 1),
    ];
  });
  return [
    ...normed("decoder.model.0.conv.conv", 1024, 1024, 7),
    ...lstm,
    ...groups,
    ...normed("decoder.model.15.conv.conv", 1, 64, 7),
  ];
}

const normed = (prefix: string, to: number, from: number, kernel: number): Entry[] => [
  [`${prefix}.bias`, [to]],
  [`${prefix}.weight_g`, [to, 1, 1]],
  [`${prefix}.weight_v`, [to, from, kernel]],
];

/** The detector's tensors in `model.ckpt`, without the prefix that they have there. */
export const detectorFile = (): Shapes =>
  new Map([
    ...detectorShapes(detectorSizes, { stages: tokenizerSizes.stages - 1, codeWidth: tokenizerSizes.width }),
    ["classifier.attention_pool.bias", [1]],
  ]);

/** What an optimiser keeps two copies of: everything of the detector that was trained. */
export const trained = (shapes: Shapes): Entry[] =>
  [...shapes].filter(([key]) => !/running_|positional_emb|num_batches/.test(key));

/** `hubert_base_ls960.pt`: 214 tensors and 94,697,600 elements. */
export const hubertFile = (): Shapes =>
  new Map([
    ["mask_emb", [768]],
    ["label_embs_concat", [504, 256]],
    ...hubertShapes(hubertSizes),
    ["final_proj.weight", [256, 768]],
    ["final_proj.bias", [256]],
  ]);
