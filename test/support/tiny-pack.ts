import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Manifest } from "../../src/models/manifest.ts";

/*
 * A model small enough to know its answers by heart: output[row, k] = mean(audio[row]) · gains[k].
 * The ONNX file is written field by field (onnx.proto3: ModelProto, GraphProto, NodeProto, TensorProto …).
 */

export interface TinyModel {
  /** One for a spoof logit, two for a pair of logits. */
  readonly gains?: readonly number[];
  readonly window?: number;
  readonly inputName?: string;
  readonly outputName?: string;
  /** A fixed batch dimension; free by default. */
  readonly rows?: number;
  /** Runs the mean through so many further multiplications by one over the whole batch: a slower model, the same answers. */
  readonly drag?: number;
}

export interface TinyPack extends TinyModel {
  readonly id?: string;
  readonly folder: string;
  /** Replaces fields of the manifest that would be written. */
  readonly manifest?: Partial<Manifest>;
}

/** A folder for packs that goes with the test. */
export async function packsFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "earwitness-packs-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes `<folder>/<id>/{model.json,model.onnx}` and gives the manifest. */
export async function writeTinyPack(tiny: TinyPack): Promise<Manifest> {
  const model = tinyModel(tiny);
  const id = tiny.id ?? "tiny";
  const manifest: Manifest = {
    format: 1,
    id,
    version: "1.0.0",
    family: "mean",
    description: "The mean of the audio times a gain.",
    licence: "Apache-2.0",
    training_data: [],
    sample_rate: 16_000,
    window_samples: tiny.window ?? 1600,
    hop_samples: 1600,
    pad: "zeros",
    input: { name: "audio" },
    output: { name: "logit", form: "spoof_logit" },
    calibration: null,
    detection: {
      prior: 0.5,
      llr_bound: 4,
      half_life_s: 20,
      min_speech_ms: 2000,
      thresholds: { suspect: 0.8, spoof: 0.95, bonafide: 0.2, suspect_exit: 0.5, spoof_exit: 0.8 },
    },
    batch_sizes: [1, 2, 4, 8],
    files: {
      "model.onnx": { sha256: createHash("sha256").update(model).digest("hex"), bytes: model.length },
    },
    ...tiny.manifest,
  };
  await mkdir(join(tiny.folder, id), { recursive: true });
  await writeFile(join(tiny.folder, id, "model.onnx"), model);
  await writeFile(join(tiny.folder, id, "model.json"), JSON.stringify(manifest, null, 2));
  return manifest;
}

const float32 = 1;

function tinyModel(tiny: TinyModel): Uint8Array {
  const { gains = [1], window = 1600, inputName = "audio", outputName = "logit", rows, drag = 0 } = tiny;
  const dragged = Array.from({ length: drag }, (_, i) =>
    node("Mul", [i === 0 ? inputName : `drag${i}`, "one"], [`drag${i + 1}`]),
  );
  const mean = node(
    "ReduceMean",
    [drag === 0 ? inputName : `drag${drag}`],
    ["mean"],
    [bytes(5, integers("axes", [1])), bytes(5, integer("keepdims", 1))],
  );
  const graph = message(
    ...dragged.map((step) => bytes(1, step)),
    bytes(1, mean),
    bytes(1, node("Mul", ["mean", "gains"], [outputName])),
    text(2, "tiny"),
    bytes(5, tensor("gains", [1, gains.length], gains)),
    bytes(5, tensor("one", [1], [1])),
    bytes(11, valueInfo(inputName, [rows, window])),
    bytes(12, valueInfo(outputName, [rows, gains.length])),
  );
  const opset = message(text(1, ""), number(2, 13));
  return message(number(1, 8), text(2, "tiny-pack"), bytes(7, graph), bytes(8, opset));
}

function node(op: string, inputs: string[], outputs: string[], attributes: Uint8Array[] = []): Uint8Array {
  return message(
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    text(4, op),
    ...attributes,
  );
}

const integer = (name: string, value: number) => message(text(1, name), number(3, value), number(20, 2));

const integers = (name: string, values: number[]) =>
  message(text(1, name), ...values.map((value) => number(8, value)), number(20, 7));

const tensor = (name: string, dims: readonly number[], values: readonly number[]) =>
  message(
    ...dims.map((dim) => number(1, dim)),
    number(2, float32),
    text(8, name),
    bytes(9, new Uint8Array(Float32Array.from(values).buffer)),
  );

function valueInfo(name: string, dims: readonly (number | undefined)[]): Uint8Array {
  const shape = message(
    ...dims.map((dim) => bytes(1, dim === undefined ? text(2, "batch") : number(1, dim))),
  );
  return message(text(1, name), bytes(2, bytes(1, message(number(1, float32), bytes(2, shape)))));
}

/** Protocol Buffers: fields one after the other. */
const message = (...fields: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(fields));

function varint(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest];
    out.push((rest % 128) + 128);
  }
}

const number = (field: number, value: number): Uint8Array =>
  Uint8Array.from([...varint(field * 8), ...varint(value)]);

const bytes = (field: number, value: Uint8Array): Uint8Array =>
  message(Uint8Array.from([...varint(field * 8 + 2), ...varint(value.length)]), value);

const text = (field: number, value: string): Uint8Array => bytes(field, new TextEncoder().encode(value));
