import { setMaxListeners } from "node:events";
import type { Score } from "../stream/ports.ts";
import type { Place } from "./scorer.ts";

/** What a window is judged by. */
export type Content =
  | { readonly kind: "audio"; readonly data: Float32Array; readonly place: Place | undefined }
  | { readonly kind: "codes"; readonly data: Int32Array; readonly place: undefined };

const nothing: Content = { kind: "audio", data: new Float32Array(0), place: undefined };

/** One window's way through the pool; it lets go of the content as soon as it is settled. */
export class Job {
  readonly queuedAt = performance.now();
  readonly promise: Promise<Score>;
  /** Waits behind windows of live calls. */
  readonly patient: boolean;
  /** Batches it was lost with. */
  losses = 0;
  #content: Content;
  #settled = false;
  readonly #signal: AbortSignal;
  readonly #abort = () => this.#settle(() => this.#reject(this.#signal.reason));
  readonly #onSettled: (job: Job) => void;
  #resolve: (score: Score) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;

  constructor(content: Content, signal: AbortSignal, patient: boolean, onSettled: (job: Job) => void) {
    this.patient = patient;
    this.#content = content;
    this.#signal = signal;
    this.#onSettled = onSettled;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A caller may have any number of windows under one signal; each takes its listener away again.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  get content(): Content {
    return this.#content;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** False, and nothing done, once it is settled, as by an abort while its batch was running. */
  succeed(judgement: Pick<Score, "llr" | "abstain">, inferMs: number): boolean {
    if (this.#settled) return false;
    const queueMs = Math.max(0, performance.now() - this.queuedAt - inferMs);
    const score: Score = { ...judgement, queueMs, inferMs };
    this.#settle(() => this.#resolve(score));
    return true;
  }

  /** Nothing is done once it is settled. */
  fail(reason: Error): void {
    this.#settle(() => this.#reject(reason));
  }

  #settle(tell: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#content = nothing;
    this.#signal.removeEventListener("abort", this.#abort);
    tell();
    this.#onSettled(this);
  }
}
