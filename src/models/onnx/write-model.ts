import { create, toBinary } from "@bufbuild/protobuf";
import { mkdir, open, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import {
  ModelProtoSchema,
  TensorProto_DataLocation as DataLocation,
  TensorProtoSchema,
  type ModelProto,
  type TensorProto,
} from "../../gen/onnx/onnx_pb.ts";
import type { Constant, Graph } from "./graph.ts";
import { byteLengthOf, bytesOf, dataTypes, elementTypeOf, sizeOf, type TensorData } from "./tensor.ts";

/** How a model is written. */
export interface WriteOptions {
  /** The version of ONNX's own operators; default 17. */
  readonly opset?: number;
  /** The model's file; default `model.onnx`. */
  readonly file?: string;
  /** Constants of `thresholdBytes` and more go to a second file beside the model, one at a time. */
  readonly external?: { readonly file: string; readonly thresholdBytes: number } | SharedWeights;
  /** Text that goes into the model, `seed` say. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** ONNX 1.12's, the first with opset 17. */
const irVersion = 8n;

/** Where a tensor may be mapped into memory. */
const alignment = 4096;

/**
 * Writes `graph` into `folder`, which is made where it is missing, and gives the names of the files written, the model
 * first. The same graph gives the same bytes. Throws where a deferred constant is not what it was declared to be.
 */
export async function writeModel(
  graph: Graph,
  folder: string,
  options: WriteOptions = {},
): Promise<string[]> {
  const { file = "model.onnx", external } = options;
  await mkdir(folder, { recursive: true });
  const isShared = external instanceof SharedWeights;
  const store = isShared
    ? external
    : external && new SharedWeights(folder, external.file, external.thresholdBytes);
  try {
    await writeFile(join(folder, file), toBinary(ModelProtoSchema, await toModel(graph, store, options)));
  } finally {
    if (!isShared) await store?.close();
  }
  return store?.used === true ? [file, store.name] : [file];
}

async function toModel(
  graph: Graph,
  store: SharedWeights | undefined,
  { opset = 17, metadata = {} }: WriteOptions,
): Promise<ModelProto> {
  const initializer: TensorProto[] = [];
  for (const constant of graph.constants) {
    initializer.push((await store?.take(constant)) ?? (await inline(constant)));
  }
  const { name, nodes: node, inputs: input, outputs: output } = graph;
  return create(ModelProtoSchema, {
    irVersion,
    producerName: "earwitness",
    opsetImport: operatorSets(graph, opset),
    graph: { name, node, initializer, input, output },
    metadataProps: Object.entries(metadata)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => ({ key, value })),
  });
}

function operatorSets(graph: Graph, opset: number): { domain: string; version: bigint }[] {
  const others = new Set(graph.nodes.map((node) => node.domain ?? "").filter((domain) => domain !== ""));
  return [
    { domain: "", version: BigInt(opset) },
    ...[...others].sort().map((domain) => ({ domain, version: 1n })),
  ];
}

async function inline(constant: Constant): Promise<TensorProto> {
  return create(TensorProtoSchema, {
    ...headerOf(constant),
    rawData: new Uint8Array(bytesOf(await load(constant))),
  });
}

const headerOf = ({ name, type, shape }: Constant) => ({
  name,
  dataType: dataTypes[type],
  dims: shape.map(BigInt),
});

async function load({ name, type, shape, load: fetch }: Constant): Promise<TensorData> {
  const data = await fetch();
  const actual = elementTypeOf(data);
  // A byte per element is what `bool` is made of.
  if (data.length === sizeOf(shape) && (actual === type || (type === "bool" && actual === "uint8")))
    return data;
  throw new Error(
    `constant ${name} should be ${type} [${shape.join(", ")}], but is ${actual} of ${data.length} elements`,
  );
}

/**
 * The file beside models that holds their large tensors; it comes to be with the first of them. Several models may write
 * to one: constants of the same name are one tensor. To be closed by whoever made it.
 */
export class SharedWeights {
  readonly name: string;
  readonly #path: string;
  readonly #thresholdBytes: number;
  readonly #written = new Map<string, TensorProto>();
  #handle: FileHandle | undefined;
  #end = 0;

  constructor(folder: string, file: string, thresholdBytes: number) {
    this.name = file;
    this.#path = join(folder, file);
    this.#thresholdBytes = thresholdBytes;
  }

  get used(): boolean {
    return this.#end > 0;
  }

  /** Writes `constant` and gives what stands for it in the model; undefined where it is below the threshold. */
  async take(constant: Constant): Promise<TensorProto | undefined> {
    const length = byteLengthOf(constant.type, constant.shape);
    if (length === 0 || length < this.#thresholdBytes) return undefined;
    const known = this.#written.get(constant.name);
    if (known !== undefined) return known;
    this.#handle ??= await open(this.#path, "w");
    const offset = Math.ceil(this.#end / alignment) * alignment;
    await writeAll(this.#handle, bytesOf(await load(constant)), offset);
    this.#end = offset + length;
    const place = { location: this.name, offset: String(offset), length: String(length) };
    const tensor = create(TensorProtoSchema, {
      ...headerOf(constant),
      dataLocation: DataLocation.EXTERNAL,
      externalData: Object.entries(place).map(([key, value]) => ({ key, value })),
    });
    this.#written.set(constant.name, tensor);
    return tensor;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += (await handle.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
  }
}
