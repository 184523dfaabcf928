import { setMaxListeners } from "node:events";
import type { Score } from "../stream/ports.ts";

const nothing = new Float32Array(0);

/** One window's way through the pool; it lets go of the audio as soon as it is settled. */
export class Job {
  readonly queuedAt = performance.now();
  readonly promise: Promise<Score>;
  /** Waits behind windows of live calls. */
  readonly patient: boolean;
  /** Batches it was lost with. */
  losses = 0;
  #samples: Float32Array;
  #settled = false;
  readonly #signal: AbortSignal;
  readonly #abort = () => this.#settle(() => this.#reject(this.#signal.reason));
  readonly #onSettled: (job: Job) => void;
  #resolve: (score: Score) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;

  constructor(samples: Float32Array, signal: AbortSignal, patient: boolean, onSettled: (job: Job) => void) {
    this.patient = patient;
    this.#samples = samples;
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

  get samples(): Float32Array {
    return this.#samples;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** False, and nothing done, once it is settled, as by an abort while its batch was running. */
  succeed(llr: number, inferMs: number): boolean {
    if (this.#settled) return false;
    const queueMs = Math.max(0, performance.now() - this.queuedAt - inferMs);
    const score: Score = { llr, queueMs, inferMs };
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
    this.#samples = nothing;
    this.#signal.removeEventListener("abort", this.#abort);
    tell();
    this.#onSettled(this);
  }
}
