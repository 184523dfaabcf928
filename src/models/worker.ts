import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type AudioLane, createAudioLane } from "./audio-lane.ts";
import { workerEnvironment } from "./gpu-libraries.ts";
import type { Content } from "./job.ts";
import { parseFromWorker, slots, type FromWorker, type OpenModel, type ToWorker } from "./messages.ts";

/** One batch's answer: output rows end to end, and the windows that could not be put to the model. */
export interface BatchAnswer {
  readonly values: Float32Array;
  readonly bad: readonly number[];
  /** Of the inference alone. */
  readonly ms: number;
}

type Pending = {
  readonly timer: NodeJS.Timeout;
  resolve(answer: BatchAnswer): void;
  reject(reason: Error): void;
};

type Opening = { resolve(batchMs: readonly number[]): void; reject(reason: Error): void };

const stderrKept = 16_384;
const isSource = import.meta.url.endsWith(".ts");
const entry = fileURLToPath(new URL(isSource ? "./onnx-worker.ts" : "./onnx-worker.js", import.meta.url));
const execArgv = isSource ? ["--import", import.meta.resolve("tsx")] : [];

/** An inference process: opens one model, runs batches in their order. Killed, never asked twice. */
export class Worker {
  /** Settles when the process has ended, with how. Never rejects. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #audio: AudioLane = createAudioLane();
  #opening: Opening | undefined;
  /** Batches without an answer, by id. */
  readonly #pending = new Map<number, Pending>();
  #failure: string | undefined;
  #stderr = "";
  #batches = 0;

  constructor(env: NodeJS.ProcessEnv = {}) {
    this.#child = fork(entry, [], {
      execArgv,
      env: { ...workerEnvironment(process.env), ...env },
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc", this.#audio.stdio],
    });
    this.#audio.attach(this.#child);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrKept);
    });
    this.#child.on("message", (raw) => this.#hear(raw));
    this.ended = this.#watchEnd();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The last of what the process printed. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Batches it has and has not answered. */
  get load(): number {
    return this.#pending.size;
  }

  /** Resolves with milliseconds per batch size; rejects with why the model cannot be served, the process then ended. */
  open(model: Omit<OpenModel, "type">, withinMs: number): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.kill(`not ready within ${withinMs} ms`), withinMs);
      const settle = () => {
        clearTimeout(timer);
        this.#opening = undefined;
      };
      this.#opening = {
        resolve: (batchMs) => {
          settle();
          resolve(batchMs);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      };
      this.#tell({ type: "open", ...model });
    });
  }

  /**
   * Scores windows of one kind and length; at most {@link slots} batches at once. Rejects when the process ends first,
   * killed if it is silent for `withinMs`.
   */
  run(windows: readonly Content[], withinMs: number): Promise<BatchAnswer> {
    if (this.load >= slots) return Promise.reject(new Error("a worker was given too many batches at once"));
    const id = this.#batches++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.kill(`no answer within ${withinMs} ms`), withinMs);
      this.#pending.set(id, { timer, resolve, reject });
      const slot = id % slots;
      const data = windows.map((window) => window.data);
      this.#audio.send(data, slot);
      const places = windows.map(({ place }) => place);
      const [kind, length] = [windows[0]?.kind ?? "audio", data[0]?.length ?? 0];
      this.#tell({ type: "score", id, slot, kind, length, places });
    });
  }

  /** Ends the process at once. */
  kill(why: string): void {
    this.#failure ??= why;
    this.#child.kill("SIGKILL");
  }

  /** Lets the process release its model and end by itself, or kills it after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#tell({ type: "close" });
    const timer = setTimeout(() => this.kill("did not end when asked to"), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  #tell(message: ToWorker): void {
    // The callback takes the error of a closed channel, which `ended` reports better.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #hear(raw: unknown): void {
    let message: FromWorker;
    try {
      message = parseFromWorker(raw);
    } catch {
      this.kill("it sent a message that is none of ours");
      return;
    }
    switch (message.type) {
      case "ready":
        this.#opening?.resolve(message.batchMs);
        return;
      case "scored":
        this.#answer(message.id, message);
        return;
      case "failed":
        this.kill(message.reason);
        return;
    }
  }

  #answer(id: number, answer: BatchAnswer): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    this.#pending.delete(id);
    pending.resolve(answer);
  }

  #watchEnd(): Promise<string> {
    return new Promise((resolve) => {
      const end = (how: string) => {
        const why = this.#failure ?? how;
        this.#opening?.reject(new Error(why));
        for (const batch of this.#pending.values()) {
          clearTimeout(batch.timer);
          batch.reject(new Error(why));
        }
        this.#pending.clear();
        resolve(why);
      };
      this.#child.once("error", (reason) => end(`cannot be started: ${reason.message}`));
      // "close" comes after "exit", once stderr has been read to its end and no pipe is left.
      this.#child.once("exit", () => this.#audio.close());
      this.#child.once("close", (code, signal) =>
        end(signal === null ? `ended with status ${code ?? "?"}` : `ended by ${signal}`),
      );
    });
  }
}
