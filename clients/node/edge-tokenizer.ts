import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

export type ToTokenizer =
  | { readonly type: "open"; readonly path: string; readonly threads: number }
  | { readonly type: "encode"; readonly samples: Float32Array };

export type FromTokenizer =
  | { readonly type: "ready" }
  | { readonly type: "encoded"; readonly codes: Int32Array }
  | { readonly type: "failed"; readonly reason: string };

const isSource = import.meta.url.endsWith(".ts");
const entry = fileURLToPath(new URL(isSource ? "./edge-process.ts" : "./edge-process.js", import.meta.url));
const execArgv = isSource ? ["--import", import.meta.resolve("tsx")] : [];

/** Audio → codes, in a process of its own; asked one thing at a time. */
export class Tokenizer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #settle: ((answer: FromTokenizer) => void) | undefined;

  /** Loads a pack's tokenizer; rejects where it is not one. */
  static async load(path: string, threads: number): Promise<Tokenizer> {
    const tokenizer = new Tokenizer();
    try {
      await tokenizer.#ask({ type: "open", path, threads });
      return tokenizer;
    } catch (reason) {
      await tokenizer.close();
      throw reason;
    }
  }

  private constructor() {
    this.#child = fork(entry, [], {
      execArgv,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    // What arrives was sent by our own entry, of the same version.
    this.#child.on("message", (answer) => this.#settle?.(answer as FromTokenizer));
    this.#ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#settle?.({ type: "failed", reason: how });
        resolve();
      };
      this.#child.once("error", ({ message }) => end(message));
      this.#child.once("exit", (code, signal) =>
        end(`its process ended with ${signal ?? code ?? "no code"}`),
      );
    });
  }

  /** The codes of every stage, one after the other, each with a code for each frame. */
  async encode(samples: Float32Array): Promise<Int32Array> {
    const answer = await this.#ask({ type: "encode", samples });
    if (answer.type === "encoded") return answer.codes;
    throw new Error("the tokenizer answered something else");
  }

  /** Idempotent; resolves once the process has ended. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }

  async #ask(message: ToTokenizer): Promise<FromTokenizer> {
    if (!this.#child.connected) throw new Error("the tokenizer's process has ended");
    const answer = await new Promise<FromTokenizer>((resolve) => {
      this.#settle = resolve;
      this.#child.send(message, (error) => {
        if (error !== null) resolve({ type: "failed", reason: error.message });
      });
    });
    this.#settle = undefined;
    if (answer.type === "failed") throw new Error(`the tokenizer failed: ${answer.reason}`);
    return answer;
  }
}
