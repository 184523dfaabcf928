import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createAudioLane, type AudioLane } from "../audio-lane.ts";
import { workerEnvironment } from "../gpu-libraries.ts";
import { parseFromProcess, type Answer, type OpenGraphs, type ToProcess } from "./messages.ts";

/** A recording's logits as the detector gives them, and what its process held afterwards. */
export type Heard = Omit<Extract<Answer, { type: "heard" }>, "type">;

type Pending = {
  readonly timer: NodeJS.Timeout;
  resolve(answer: Answer): void;
  reject(reason: Error): void;
};

const isSource = import.meta.url.endsWith(".ts");
const entry = fileURLToPath(new URL(isSource ? "./whole-worker.ts" : "./whole-worker.js", import.meta.url));
const execArgv = isSource ? ["--import", import.meta.resolve("tsx")] : [];

/** A process that hears whole recordings, one at a time. Killed where it fails, never asked twice. */
export class WholeProcess {
  /** Settles when the process has ended, with how. Never rejects. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #audio: AudioLane = createAudioLane();
  #pending: Pending | undefined;
  #failure: string | undefined;
  #end: string | undefined;

  constructor() {
    this.#child = fork(entry, [], {
      execArgv,
      env: workerEnvironment(process.env),
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc", this.#audio.stdio],
    });
    this.#audio.attach(this.#child);
    this.#child.on("message", (raw) => this.#listen(raw));
    this.ended = this.#watchEnd();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves with the bytes that it holds then; rejects with why the graphs cannot be used, the process then ended. */
  async open(graphs: Omit<OpenGraphs, "type">, withinMs: number): Promise<number> {
    return (await this.#ask({ type: "open", ...graphs }, withinMs)).rssBytes;
  }

  /** Rejects when the process ends first, killed if it is silent for `withinMs`. */
  async hear(samples: Float32Array, withinMs: number): Promise<Heard> {
    this.#audio.send([samples], 0);
    const answer = await this.#ask({ type: "hear", samples: samples.length }, withinMs);
    if (answer.type === "heard") return answer;
    throw new Error("it answered what it was not asked");
  }

  /** Ends the process at once. */
  kill(why: string): void {
    this.#failure ??= why;
    this.#child.kill("SIGKILL");
  }

  /** Lets the process end by itself, or kills it after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#tell({ type: "close" });
    const timer = setTimeout(() => this.kill("did not end when asked to"), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  #ask(message: ToProcess, withinMs: number): Promise<Answer> {
    if (this.#end !== undefined) return Promise.reject(new Error(this.#end));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.kill(`no answer within ${withinMs} ms`), withinMs);
      this.#pending = { timer, resolve, reject };
      this.#tell(message);
    });
  }

  #tell(message: ToProcess): void {
    // The callback takes the error of a closed channel, which `ended` reports better.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #listen(raw: unknown): void {
    try {
      const message = parseFromProcess(raw);
      if (message.type === "failed") this.kill(message.reason);
      else this.#settle()?.resolve(message);
    } catch {
      this.kill("it sent a message that is none of ours");
    }
  }

  #settle(): Pending | undefined {
    const pending = this.#pending;
    clearTimeout(pending?.timer);
    this.#pending = undefined;
    return pending;
  }

  #watchEnd(): Promise<string> {
    return new Promise((resolve) => {
      const end = (how: string) => {
        this.#end = this.#failure ?? how;
        this.#settle()?.reject(new Error(this.#end));
        resolve(this.#end);
      };
      this.#child.once("error", (reason) => end(`cannot be started: ${reason.message}`));
      this.#child.once("exit", () => this.#audio.close());
      this.#child.once("close", (code, signal) =>
        end(signal === null ? `ended with status ${code ?? "?"}` : `ended by ${signal}`),
      );
    });
  }
}
