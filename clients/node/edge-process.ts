/*
 * The entry of an edge's own process: ONNX Runtime holds the thread of whoever asks it, and a client has other things to do.
 */
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { FromTokenizer, ToTokenizer } from "./edge-tokenizer.ts";

let opened: Promise<InferenceSession> | undefined;

function open({ path, threads }: Extract<ToTokenizer, { type: "open" }>): Promise<InferenceSession> {
  return InferenceSession.create(path, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
}

async function encode(samples: Float32Array): Promise<Int32Array> {
  if (opened === undefined) throw new Error("asked to encode before a tokenizer was opened");
  const audio = new Tensor("float32", samples, [1, samples.length]);
  const { codes } = await (await opened).run({ audio }, ["codes"]);
  if (codes?.data instanceof Int32Array) return codes.data;
  throw new Error("the tokenizer gives no codes");
}

async function obey(message: ToTokenizer): Promise<FromTokenizer> {
  try {
    if (message.type === "encode") return { type: "encoded", codes: await encode(message.samples) };
    opened = open(message);
    await opened;
    return { type: "ready" };
  } catch (reason) {
    return { type: "failed", reason: reason instanceof Error ? reason.message : String(reason) };
  }
}

process.on("message", (message: ToTokenizer) => {
  void obey(message).then((answer) => process.send?.(answer));
});
// Ctrl-C signals the whole group: who started this ends it.
process.on("SIGINT", () => undefined);
