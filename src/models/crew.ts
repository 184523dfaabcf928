import { Backoff } from "./backoff.ts";
import { environmentOf } from "./election.ts";
import type { Model } from "./messages.ts";
import type { Provider } from "./providers.ts";
import { Worker } from "./worker.ts";

export type CrewEvent =
  | { readonly type: "worker_started"; readonly pid: number; readonly provider: Provider }
  | {
      readonly type: "worker_lost";
      readonly pid: number;
      readonly provider: Provider;
      readonly reason: string;
    }
  | {
      readonly type: "worker_failed";
      readonly provider: Provider;
      readonly reason: string;
      readonly retryMs: number;
    };

export interface CrewOptions {
  readonly provider: Provider;
  readonly model: Model;
  readonly startMs: number;
  /** How often `onOutage` is told as long as nobody is left. */
  readonly outageMs: number;
  readonly onReady: () => void;
  readonly onOutage: () => void;
  readonly onEvent: (event: CrewEvent) => void;
}

/** The workers of a pool: whoever is lost is replaced, after a pause that grows while starts go on failing. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #ready = new Set<Worker>();
  readonly #opening = new Set<Worker>();
  readonly #starting = new Set<Promise<void>>();
  readonly #retries = new Set<NodeJS.Timeout>();
  readonly #backoff = new Backoff();
  #outage: NodeJS.Timeout | undefined;
  #settled = false;
  #restarts = 0;

  constructor(options: CrewOptions) {
    this.#options = options;
  }

  get ready(): readonly Worker[] {
    return [...this.#ready];
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Takes in a worker that has opened the model. */
  admit(worker: Worker): void {
    this.#ready.add(worker);
    clearInterval(this.#outage);
    this.#outage = undefined;
    const { onEvent, onReady, provider } = this.#options;
    onEvent({ type: "worker_started", pid: worker.pid, provider });
    void worker.ended.then((reason) => this.#lose(worker, reason));
    onReady();
  }

  /** Starts `count` more; resolves when each has been tried once. */
  async enlist(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#start()));
  }

  /** Work was done: the next loss is replaced at once. */
  succeed(): void {
    this.#backoff.succeed();
  }

  /** Starts nobody any more; those who are ready go on. */
  async settle(): Promise<void> {
    this.#settled = true;
    clearInterval(this.#outage);
    for (const retry of this.#retries) clearTimeout(retry);
    this.#retries.clear();
    for (const worker of this.#opening) worker.kill("the pool is closing");
    await Promise.all(this.#starting);
    if (this.#ready.size === 0) this.#options.onOutage();
  }

  /** Ends everybody, killing those who need more than `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await this.settle();
    await Promise.all(this.ready.map((worker) => worker.close(graceMs)));
  }

  async #start(): Promise<void> {
    const starting = this.#open();
    this.#starting.add(starting);
    await starting;
    this.#starting.delete(starting);
  }

  async #open(): Promise<void> {
    const { provider, model, startMs, onEvent } = this.#options;
    const worker = new Worker(environmentOf(provider));
    this.#opening.add(worker);
    try {
      await worker.open({ ...model, provider, timedRuns: 0 }, startMs);
      this.admit(worker);
    } catch (reason) {
      await worker.ended;
      if (this.#settled) return;
      const why = reason instanceof Error ? reason.message : String(reason);
      onEvent({ type: "worker_failed", provider, reason: why, retryMs: this.#startLater() });
    } finally {
      this.#opening.delete(worker);
    }
  }

  #lose(worker: Worker, reason: string): void {
    this.#ready.delete(worker);
    const { onEvent, onOutage, outageMs, provider } = this.#options;
    if (this.#settled) {
      if (this.#ready.size === 0) onOutage();
      return;
    }
    onEvent({ type: "worker_lost", pid: worker.pid, provider, reason });
    this.#restarts++;
    this.#startLater();
    if (this.#ready.size === 0) this.#outage ??= setInterval(onOutage, outageMs);
  }

  #startLater(): number {
    const retryMs = this.#backoff.fail();
    const retry = setTimeout(() => {
      this.#retries.delete(retry);
      void this.#start();
    }, retryMs);
    this.#retries.add(retry);
    return Math.round(retryMs);
  }
}
