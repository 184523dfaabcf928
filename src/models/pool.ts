import { WindowLost, type Detector, type DetectorSpec, type Score, type Window } from "../stream/ports.ts";
import { Acquaintance } from "./acquaintance.ts";
import { batchSize } from "./batching.ts";
import { Crew, type CrewEvent } from "./crew.ts";
import { deal, type Hand } from "./dealing.ts";
import { elect, type Elected } from "./election.ts";
import { Job } from "./job.ts";
import { judge } from "./llr.ts";
import { type Model, slots } from "./messages.ts";
import { contentOf, modelOf, specIn } from "./pack-model.ts";
import { isGpu, type Provider, type RefusedProvider } from "./providers.ts";
import type { FrameOrder } from "./safeear/permutation.ts";
import type { Pack } from "./store.ts";
import type { BatchAnswer, Worker } from "./worker.ts";

export interface PoolOptions {
  readonly pack: Pack;
  /** In which a SafeEar hears frames; the pack's by default. Other families have none. */
  readonly order?: FrameOrder;
  /** Processes on a CPU, at least 1; a GPU gets exactly one. */
  readonly workers: number;
  /** Tried in this order. */
  readonly providers: readonly Provider[];
  /** Refuses to run on the CPU. */
  readonly requireGpu?: boolean;
  /** Lets `webgpu` use a software driver: for tests. */
  readonly allowSoftwareGpu?: boolean;
  /** How often a channel asks for a window; the pack's hop by default. */
  readonly hopMs?: number;
  /** Refuses a provider that takes longer for one window; the hop by default. */
  readonly maxWindowMs?: number;
  /** Windows that may wait, 1,024 by default; one more is shed. */
  readonly queueLimit?: number;
  /** A worker silent for so long over one batch is killed; by default 5 s, or 20 times the largest batch if that is more. */
  readonly deadlineMs?: number;
  /** Windows that wait while no worker is left are given up once in so long; 10 s by default. */
  readonly outageMs?: number;
  /** For opening and warming up, 60 s by default. */
  readonly startMs?: number;
  /** For a worker to end by itself once it is asked to, 2 s by default. */
  readonly graceMs?: number;
  /** For the log and the metrics; must not throw. */
  readonly onEvent?: (event: PoolEvent) => void;
}

export type PoolEvent =
  | CrewEvent
  | { readonly type: "provider_refused"; readonly provider: Provider; readonly reason: string }
  | { readonly type: "batch"; readonly windows: number; readonly ms: number };

export interface PoolStats {
  readonly queued: number;
  readonly queueLimit: number;
  /** Ready to serve, busy ones included. */
  readonly workers: number;
  readonly busy: number;
  readonly scored: number;
  /** Refused because the queue was full or the pool closing. */
  readonly shed: number;
  /** Given up with `worker_lost`. */
  readonly lost: number;
  readonly restarts: number;
  /** Batches run, by the windows that were in them. */
  readonly batches: Readonly<Record<number, number>>;
}

export interface Pool extends Detector {
  /** What really runs the model. */
  readonly provider: Provider;
  /** The WebGPU device's name, where it has one. */
  readonly adapter: string | undefined;
  readonly refused: readonly RefusedProvider[];
  /** Milliseconds of one worker per window of calls that go on, as measured at the start. */
  readonly windowMs: number;
  readonly workerPids: readonly number[];
  stats(): PoolStats;
}

/**
 * Elects a provider and starts the workers. Throws NoProvider, with each provider's reason, when none can serve, and an
 * Error where the pack can score nothing, or not in the order asked for.
 */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const hopMs = options.hopMs ?? options.pack.spec.detection.hopMs;
  const model = modelOf(options.pack, hopMs, options.order);
  const elected = await elect(model, {
    providers: options.providers,
    requireGpu: options.requireGpu ?? false,
    allowSoftwareGpu: options.allowSoftwareGpu ?? false,
    maxWindowMs: options.maxWindowMs ?? hopMs,
    startMs: options.startMs ?? 60_000,
  });
  for (const refused of elected.refused) options.onEvent?.({ type: "provider_refused", ...refused });
  const pool = new WorkerPool(options, model, elected);
  await pool.fill();
  return pool;
}

/** Tracks whose worker is remembered, where windows of a track share work. */
const mostTracks = 4096;

class WorkerPool implements Pool {
  readonly spec: DetectorSpec;
  readonly provider: Provider;
  readonly adapter: string | undefined;
  readonly refused: readonly RefusedProvider[];
  readonly windowMs: number;
  readonly #options: PoolOptions;
  readonly #model: Model;
  readonly #queueLimit: number;
  readonly #deadlineMs: number;
  readonly #crew: Crew;
  readonly #counts = { scored: 0, shed: 0, lost: 0, batches: new Map<number, number>() };
  #queue: Job[] = [];
  readonly #acquaintance: Acquaintance<Worker>;
  #dispatching = false;
  #closing: Promise<void> | undefined;
  #onDrained: (() => void) | undefined;

  constructor(options: PoolOptions, model: Model, elected: Elected) {
    const { adapter, provider, refused, windowMs, worker } = elected;
    this.spec = specIn(options.pack, options.order);
    this.provider = provider;
    this.adapter = adapter;
    this.refused = refused;
    this.windowMs = windowMs;
    this.#options = options;
    this.#model = model;
    this.#queueLimit = options.queueLimit ?? 1024;
    this.#deadlineMs = options.deadlineMs ?? Math.max(5000, 20 * (model.batchSizes.at(-1) ?? 1) * windowMs);
    this.#acquaintance = new Acquaintance(model.graphs.kind === "one" ? 0 : mostTracks);
    this.#crew = new Crew({
      provider,
      model,
      startMs: options.startMs ?? 60_000,
      outageMs: options.outageMs ?? 10_000,
      onReady: () => this.#dispatchSoon(),
      onOutage: () => this.#giveUpQueue(),
      onEvent: (event) => options.onEvent?.(event),
    });
    this.#crew.admit(worker);
  }

  get workerPids(): readonly number[] {
    return this.#crew.ready.map((worker) => worker.pid);
  }

  stats(): PoolStats {
    const { scored, shed, lost, batches } = this.#counts;
    return {
      queued: this.#queue.length,
      queueLimit: this.#queueLimit,
      workers: this.#crew.ready.length,
      busy: this.#crew.ready.filter((worker) => worker.load > 0).length,
      scored,
      shed,
      lost,
      restarts: this.#crew.restarts,
      batches: Object.fromEntries(batches),
    };
  }

  /** Starts the workers beyond the first; one that cannot start is tried again later. */
  async fill(): Promise<void> {
    await this.#crew.enlist(isGpu(this.provider) ? 0 : this.#options.workers - 1);
  }

  async score(window: Window, signal: AbortSignal, patient = false): Promise<Score> {
    signal.throwIfAborted();
    const content = contentOf(window, this.spec);
    if (this.#closing !== undefined) throw this.#shed("the pool is closing");
    if (this.#queue.length >= this.#queueLimit) throw this.#shed(`${this.#queueLimit} windows are waiting`);
    const job = new Job(content, signal, patient, (settled) => this.#forget(settled));
    this.#enqueue(job);
    this.#dispatchSoon();
    return job.promise;
  }

  /** Refuses new windows, answers those it has, and ends the workers. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#crew.settle();
    if (!this.#drained()) await new Promise<void>((resolve) => (this.#onDrained = resolve));
    await this.#crew.close(this.#options.graceMs ?? 2000);
  }

  #drained(): boolean {
    return this.#queue.length === 0 && this.#crew.ready.every((worker) => worker.load === 0);
  }

  /** Waits for the rest of this turn's windows, so that sessions whose hops coincide share a batch. */
  #dispatchSoon(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    setImmediate(() => {
      this.#dispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    const gpu = isGpu(this.provider);
    const free = this.#crew.ready
      .filter((worker) => worker.load < (gpu ? 1 : slots))
      .sort((a, b) => a.load - b.load);
    const { dealt, rest, displaced } = deal(this.#queue, this.#hands(free, gpu), (worker, job) =>
      this.#acquaintance.has(worker, job),
    );
    this.#queue = [...rest];
    for (const { worker, jobs } of dealt) void this.#run(worker, jobs);
    if (displaced) this.#dispatchSoon();
    if (this.#drained()) this.#onDrained?.();
  }

  #hands(free: readonly Worker[], gpu: boolean): Hand<Worker>[] {
    const hands: Hand<Worker>[] = [];
    let waiting = this.#queue.length;
    for (const [i, worker] of free.entries()) {
      if (waiting === 0) break;
      const size = batchSize(this.#model.batchSizes, waiting, free.length - i, gpu);
      hands.push({ worker, size });
      waiting -= size;
    }
    return hands;
  }

  /** Never rejects: when it ends, every job is settled or back in the queue. */
  async #run(worker: Worker, jobs: readonly Job[]): Promise<void> {
    this.#acquaintance.note(worker, jobs);
    const contents = jobs.map((job) => job.content);
    try {
      const answer = await worker.run(contents, this.#deadlineMs);
      this.#deliver(jobs, answer);
      this.#crew.succeed();
      this.#counts.batches.set(jobs.length, (this.#counts.batches.get(jobs.length) ?? 0) + 1);
      this.#options.onEvent?.({ type: "batch", windows: jobs.length, ms: answer.ms });
    } catch (reason) {
      this.#retry(jobs, reason instanceof Error ? reason.message : String(reason));
    }
    this.#dispatchSoon();
  }

  #deliver(jobs: readonly Job[], { values, bad, ms }: BatchAnswer): void {
    const { manifest } = this.#options.pack;
    const width = this.#model.outputWidth;
    for (const [row, job] of jobs.entries()) {
      const judgement = judge(manifest, values.subarray(row * width, (row + 1) * width));
      if (bad.includes(row)) {
        job.fail(new RangeError("a window holds samples that are not finite"));
      } else if (!Number.isFinite(judgement.llr)) {
        job.fail(this.#lost("the model's answer is not finite"));
      } else if (job.succeed(judgement, ms)) {
        this.#counts.scored++;
      }
    }
  }

  /** A window may be lost once by no fault of its own; one that is lost twice may be what kills the workers. */
  #retry(jobs: readonly Job[], reason: string): void {
    const last = this.#closing === undefined ? 2 : 1;
    const waiting = jobs.filter((job) => !job.settled);
    for (const job of waiting) if (++job.losses >= last) job.fail(this.#lost(reason));
    this.#queue.unshift(...waiting.filter((job) => !job.settled));
  }

  /** In the order of arrival, live windows before patient ones. */
  #enqueue(job: Job): void {
    const firstPatient = job.patient ? -1 : this.#queue.findIndex((waiting) => waiting.patient);
    this.#queue.splice(firstPatient < 0 ? this.#queue.length : firstPatient, 0, job);
  }

  #forget(job: Job): void {
    const at = this.#queue.indexOf(job);
    if (at >= 0) this.#queue.splice(at, 1);
    if (this.#closing !== undefined) this.#dispatchSoon();
  }

  #giveUpQueue(): void {
    for (const job of [...this.#queue]) job.fail(this.#lost("no worker is running"));
  }

  #shed(why: string): WindowLost {
    this.#counts.shed++;
    return new WindowLost("shed", why);
  }

  #lost(why: string): WindowLost {
    this.#counts.lost++;
    return new WindowLost("worker_lost", why);
  }
}
