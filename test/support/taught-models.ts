import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TokenizerSizes } from "../../src/models/import/safeear-sizes.ts";
import { Draws } from "../../src/models/safeear/draws.ts";
import type { TensorMap } from "./aasist-weights.ts";
import { CheckpointWriter, ordered, storage } from "./checkpoint-bytes.ts";
import { randomHubert, smallHubert } from "./hubert-reference.ts";
import { randomTokenizer } from "./safeear-weights.ts";

/** A tokenizer with HuBERT's 320 samples per frame. */
export const taughtSizes: TokenizerSizes = {
  encoder: [
    { kind: "convolution", at: 0, from: 1, to: 2, kernel: 7, stride: 1 },
    { kind: "residual", at: 1, width: 2, hidden: 1 },
    { kind: "convolution", at: 3, from: 2, to: 4, kernel: 16, stride: 8 },
    { kind: "residual", at: 4, width: 4, hidden: 2 },
    { kind: "convolution", at: 6, from: 4, to: 5, kernel: 80, stride: 40 },
    { kind: "lstm", at: 7, from: 5, hidden: 5, layers: 2 },
    { kind: "convolution", at: 9, from: 10, to: 6, kernel: 7, stride: 1 },
  ],
  hop: 320,
  width: 6,
  stages: 3,
  codes: 7,
};

/** `smallHubert` with the heads that its settings name, as random tensors. */
export const teacherTensors = randomHubert(smallHubert, 5);
export const teacherHeads = 3;

/** A tokenizer, and the projection of its code vectors to that HuBERT's features. */
export const taughtTensors: TensorMap = new Map([
  ...randomTokenizer(taughtSizes, 11),
  ["transform.weight", uniform([smallHubert.width, taughtSizes.width], 12)],
  ["transform.bias", uniform([smallHubert.width], 13)],
]);

function uniform(shape: readonly number[], seed: number) {
  const draws = new Draws(seed);
  const length = shape.reduce((product, size) => product * size, 1);
  return { shape, data: Float32Array.from({ length }, () => draws.bits() / 2 ** 31 - 1) };
}

/** Writes `SpeechTokenizer.pt` and `hubert_base_ls960.pt` into `folder`. */
export async function writeTaughtModels(
  folder: string,
  tokenizer: TensorMap = taughtTensors,
  teacher: TensorMap = teacherTensors,
): Promise<void> {
  await writeFile(
    join(folder, "SpeechTokenizer.pt"),
    fileOf(tokenizer, (tensors) => tensors),
  );
  const settings = new Map([["model", new Map([["encoder_attention_heads", teacherHeads]])]]);
  const root = (model: unknown): unknown =>
    new Map<string, unknown>([
      ["args", null],
      ["cfg", settings],
      ["model", model],
    ]);
  await writeFile(join(folder, "hubert_base_ls960.pt"), fileOf(teacher, root));
}

function fileOf(tensors: TensorMap, root: (tensors: unknown) => unknown): Buffer {
  const writer = new CheckpointWriter("zip");
  const entries = [...tensors].map(
    ([key, { shape, data }], i) =>
      [key, writer.tensor(storage(String(i), "FloatStorage", data), shape)] as const,
  );
  return writer.file(root(ordered(new Map(entries))));
}
