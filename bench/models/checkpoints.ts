/**
 * Checkpoints as they are published, of random weights: the same files, keys, shapes and sizes.
 *
 * node --import tsx bench/models/checkpoints.ts FOLDER     makes them all, 2.5 GB, in about half a minute
 */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { randomAasist, type TensorMap } from "../../test/support/aasist-weights.ts";
import { CheckpointWriter, ordered, storage, type Storage } from "../../test/support/checkpoint-bytes.ts";
import { PyName, type PyCall } from "../../test/support/pickle-bytes.ts";
import { writeCheckpoint, type StoredBytes } from "./checkpoint-file.ts";
import { aasistSizes, detectorFile, hubertFile, tokenizerFile, trained, type Shapes } from "./published.ts";
import { randomTensor } from "./random-tensors.ts";

/** Where each model's file or folder is. */
export const files = {
  safeear: "safeear",
  aasist: "AASIST.pth",
  "aasist-l": "AASIST-L.pth",
  hubert: "hubert_base_ls960.pt",
} as const;

const seed = 2026;

/** Makes in `folder` what of the checkpoints is not there; gives each file's path and bytes. */
export async function makeCheckpoints(
  folder: string,
  wanted: readonly (keyof typeof files)[],
): Promise<ReadonlyMap<string, number>> {
  await mkdir(join(folder, files.safeear), { recursive: true });
  const made = new Map<string, number>();
  const make = async (name: string, write: (path: string) => Promise<unknown>): Promise<void> => {
    const path = join(folder, name);
    if (!(await isThere(path))) await write(path);
    made.set(path, (await stat(path)).size);
  };
  if (wanted.includes("safeear")) {
    await make(join(files.safeear, "SpeechTokenizer.pt"), writeTokenizer);
    await make(join(files.safeear, "model.ckpt"), writeDetector);
  }
  if (wanted.includes("hubert")) await make(files.hubert, writeHubert);
  for (const name of ["aasist", "aasist-l"] as const) {
    if (!wanted.includes(name)) continue;
    await make(files[name], (path) => writeAasist(path, randomAasist(aasistSizes[name], seed)));
  }
  return made;
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).size > 0;
  } catch {
    return false;
  }
}

/** The tensors of one file, and the storages that they say they are in. */
class Tensors {
  readonly #writer = new CheckpointWriter("zip");
  readonly stored: StoredBytes[] = [];

  /** `key` is what its values are drawn by. */
  random(key: string, shape: readonly number[]): PyCall {
    return this.#tensor(shape, () => [bytesOf(randomTensor(key, shape, seed))]);
  }

  given(shape: readonly number[], values: Float32Array): PyCall {
    return this.#tensor(shape, () => [bytesOf(values)]);
  }

  /** One flat tensor of zeros, which nobody should read. */
  zeros(elements: number): PyCall {
    return this.#tensor([elements], () => zeroPieces(elements * 4));
  }

  counter(): PyCall {
    const of = storage(
      this.#next(() => [new Uint8Array(8)]),
      "LongStorage",
      new BigInt64Array(1),
    );
    return this.#writer.tensor(of, []);
  }

  dictionary(shapes: Shapes, prefix = ""): [string, PyCall][] {
    return [...shapes].map(([key, shape]) => [prefix + key, this.random(key, shape)]);
  }

  #tensor(shape: readonly number[], pieces: StoredBytes["pieces"]): PyCall {
    const elements = shape.reduce((product, size) => product * size, 1);
    const type = new PyName("torch", "FloatStorage");
    const of: Storage = { key: this.#next(pieces), type, elements, bytes: new Uint8Array() };
    return this.#writer.tensor(of, shape);
  }

  #next(pieces: StoredBytes["pieces"]): string {
    const key = String(this.stored.length);
    this.stored.push({ key, pieces });
    return key;
  }
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function* zeroPieces(bytes: number): Generator<Uint8Array> {
  const piece = new Uint8Array(Math.min(bytes, 1 << 24));
  for (let left = bytes; left > 0; left -= piece.length)
    yield piece.subarray(0, Math.min(left, piece.length));
}

async function writeTokenizer(path: string): Promise<void> {
  const tensors = new Tensors();
  const tree = ordered(new Map(tensors.dictionary(tokenizerFile())));
  await writeCheckpoint(path, tree, tensors.stored);
}

/** As Lightning keeps it: the tokenizer again, the detector, and two moments of each weight that was trained. */
async function writeDetector(path: string): Promise<void> {
  const tensors = new Tensors();
  const state = ordered(
    new Map([
      ...tensors.dictionary(tokenizerFile(), "decouple_model."),
      ...tensors.dictionary(detectorFile(), "detect_model."),
      ["detect_model.bottleneck.1.num_batches_tracked", tensors.counter()],
    ]),
  );
  const moments = trained(detectorFile()).map(([, shape], i) => {
    const elements = shape.reduce((product, size) => product * size, 1);
    const kept = new Map<unknown, unknown>([
      ["step", 1000],
      ["exp_avg", tensors.zeros(elements)],
      ["exp_avg_sq", tensors.zeros(elements)],
    ]);
    return [i, kept] as const;
  });
  const tree = new Map<unknown, unknown>([
    ["epoch", 3],
    ["global_step", 1000],
    ["pytorch-lightning_version", "1.6.3"],
    ["state_dict", state],
    ["callbacks", new Map([["ModelCheckpoint{'monitor': 'val_eer'}", new Map([["best_model_score", 0.5]])]])],
    ["optimizer_states", [new Map<unknown, unknown>([["state", new Map(moments)]])]],
    ["lr_schedulers", []],
  ]);
  await writeCheckpoint(path, tree, tensors.stored);
}

async function writeAasist(path: string, values: TensorMap): Promise<void> {
  const tensors = new Tensors();
  const entries = [...values].map(([key, { shape, data }]) => [key, tensors.given(shape, data)] as const);
  await writeCheckpoint(path, ordered(new Map(entries)), tensors.stored);
}

/** As fairseq keeps it: the weights, and both moments of the optimiser flat, two thirds of the file. */
async function writeHubert(path: string): Promise<void> {
  const tensors = new Tensors();
  const shapes = hubertFile();
  const elements = [...shapes.values()].reduce(
    (sum, shape) => sum + shape.reduce((n, size) => n * size, 1),
    0,
  );
  const model = ordered(new Map(tensors.dictionary(shapes)));
  const moments = new Map([
    ["exp_avg", tensors.zeros(elements)],
    ["exp_avg_sq", tensors.zeros(elements)],
  ]);
  const tree = new Map<unknown, unknown>([
    ["args", null],
    ["cfg", new Map([["model", new Map([["encoder_attention_heads", 12]])]])],
    ["model", model],
    ["optimizer_history", []],
    ["last_optimizer_state", new Map([["state", new Map([[0, moments]])]])],
  ]);
  await writeCheckpoint(path, tree, tensors.stored);
}

if (process.argv[1] === import.meta.filename) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error("usage: checkpoints.ts FOLDER");
  const all = Object.keys(files) as (keyof typeof files)[]; // its own keys
  for (const [path, bytes] of await makeCheckpoints(folder, all)) console.log(`${path} ${bytes}`);
}
