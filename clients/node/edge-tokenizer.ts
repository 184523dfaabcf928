import { InferenceSession, Tensor } from "onnxruntime-node";

/** Audio → codes. One window at a time. */
export interface Tokenizer {
  /** The codes of every stage, one after the other, each with a code for each frame. Holds the thread while it computes. */
  encode(samples: Float32Array): Promise<Int32Array>;
  close(): Promise<void>;
}

/** Loads a pack's tokenizer; rejects where it is not one. */
export async function loadTokenizer(path: string, threads: number): Promise<Tokenizer> {
  const session = await InferenceSession.create(path, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
  let open = true;
  return {
    async encode(samples) {
      const audio = new Tensor("float32", samples, [1, samples.length]);
      const { codes } = await session.run({ audio }, ["codes"]);
      if (codes?.data instanceof Int32Array) return codes.data;
      throw new Error(`${path} gives no codes`);
    },
    async close() {
      if (!open) return;
      open = false;
      await session.release();
    },
  };
}
