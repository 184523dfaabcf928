import { Observable, type OperatorFunction, type Subscriber } from "rxjs";
import type { Pace } from "./commands.ts";
import type { Item } from "./front-end.ts";
import { type Detector, type Valve, type Window, WindowLost } from "./ports.ts";
import type { Answer } from "./tally.ts";
import { giveBuffer } from "./window-buffers.ts";

/** An item and the moment its last byte arrived, on the session's monotonic clock in milliseconds. */
export interface Arrived {
  readonly item: Item;
  readonly at: number;
}

/** An item whose turn has come: windows have their answer, and no samples any more. */
export type Settled =
  | { readonly kind: "answered"; readonly window: Window; readonly answer: Answer; readonly at: number }
  | { readonly kind: "missed"; readonly window: Window; readonly cause: "shed" | "worker_lost" }
  | Exclude<Item, { kind: "window" }>;

export interface Scoring {
  readonly detector: Detector;
  readonly pace: Pace;
  readonly valve: Valve;
}

/** Windows of one channel that are with the detector at once. Live: the newest waits, and replaces who waited. */
export const inFlight: Readonly<Record<Pace, number>> = { live: 1, file: 8 };
/** A `file` source is paused above this many unanswered windows, and resumed at half. */
const maxUnanswered = 16;

type Entry =
  | { state: "waiting"; readonly window: Window; readonly at: number }
  | { state: "running" }
  | { state: "settled"; readonly settled: Settled };

/**
 * Asks the detector about windows and lets items out in each channel's own order. Under `live` a window that is still
 * waiting when the next one comes is shed; under `file` the source is paused. Unsubscribing aborts what is in flight.
 */
export function scoreInOrder(scoring: Scoring): OperatorFunction<Arrived, Settled> {
  return (source) =>
    new Observable((out) => {
      const run = new Run(scoring, out);
      const upstream = source.subscribe({
        next: (arrived) => {
          run.take(arrived);
        },
        error: (reason: unknown) => {
          out.error(reason);
        },
        complete: () => {
          run.finish();
        },
      });
      return () => {
        upstream.unsubscribe();
        run.abandon();
      };
    });
}

class Run {
  readonly #scoring: Scoring;
  readonly #out: Subscriber<Settled>;
  readonly #abandoned = new AbortController();
  readonly #queues = new Map<number, Entry[]>();
  #unanswered = 0;
  #paused = false;
  #finished = false;

  constructor(scoring: Scoring, out: Subscriber<Settled>) {
    this.#scoring = scoring;
    this.#out = out;
  }

  take({ item, at }: Arrived): void {
    const channel = channelOf(item);
    const queue = this.#queues.get(channel) ?? [];
    this.#queues.set(channel, queue);
    if (item.kind !== "window") queue.push({ state: "settled", settled: item });
    else if (item.window.speech === 0) queue.push(silent(item.window, at));
    else this.#enqueue(queue, item.window, at);
    this.#pump(queue);
  }

  finish(): void {
    this.#finished = true;
    this.#completeIfDone();
  }

  abandon(): void {
    this.#abandoned.abort(new Error("the session ended"));
  }

  #enqueue(queue: Entry[], window: Window, at: number): void {
    if (this.#scoring.pace === "live") this.#shedWaiting(queue);
    queue.push({ state: "waiting", window, at });
    this.#count(1);
  }

  #shedWaiting(queue: Entry[]): void {
    for (const [index, entry] of queue.entries()) {
      if (entry.state !== "waiting") continue;
      const settled: Settled = { kind: "missed", window: withoutSound(entry.window), cause: "shed" };
      queue[index] = { state: "settled", settled };
      this.#count(-1);
    }
  }

  /** Starts what may start, lets out what has come to the head. */
  #pump(queue: Entry[]): void {
    let running = queue.filter((entry) => entry.state === "running").length;
    for (let i = 0; i < queue.length && running < inFlight[this.#scoring.pace]; i++) {
      const entry = queue[i];
      if (entry?.state !== "waiting") continue;
      running++;
      this.#start(queue, i, entry.window, entry.at);
    }
    for (let head = queue[0]; head?.state === "settled"; head = queue[0]) {
      queue.shift();
      this.#out.next(head.settled);
    }
    this.#completeIfDone();
  }

  #start(queue: Entry[], index: number, window: Window, at: number): void {
    const running: Entry = { state: "running" };
    queue[index] = running;
    const settle = (settled: Settled): void => {
      queue[queue.indexOf(running)] = { state: "settled", settled };
      this.#count(-1);
      this.#pump(queue);
    };
    const { detector, pace } = this.#scoring;
    detector.score(window, this.#abandoned.signal, pace === "file").then(
      (score) => {
        giveBuffer(window.samples);
        if (this.#out.closed) return;
        settle({ kind: "answered", window: withoutSound(window), answer: { kind: "scored", score }, at });
      },
      (reason: unknown) => {
        if (this.#out.closed) return;
        if (!(reason instanceof WindowLost)) this.#out.error(reason);
        else settle({ kind: "missed", window: withoutSound(window), cause: reason.gap });
      },
    );
  }

  #count(change: number): void {
    this.#unanswered += change;
    if (this.#scoring.pace !== "file") return;
    if (!this.#paused && this.#unanswered > maxUnanswered) {
      this.#paused = true;
      this.#scoring.valve.pause();
    } else if (this.#paused && this.#unanswered <= maxUnanswered / 2) {
      this.#paused = false;
      this.#scoring.valve.resume();
    }
  }

  #completeIfDone(): void {
    if (!this.#finished) return;
    for (const queue of this.#queues.values()) if (queue.length > 0) return;
    this.#out.complete();
  }
}

function silent(window: Window, at: number): Entry {
  giveBuffer(window.samples);
  const settled: Settled = { kind: "answered", window: withoutSound(window), answer: { kind: "silent" }, at };
  return { state: "settled", settled };
}

const noSound = new Float32Array(0);

/** A settled window may wait long for its turn behind one that hangs, and its samples are a quarter of a megabyte. */
function withoutSound(window: Window): Window {
  const kept: { -readonly [Field in keyof Window]: Window[Field] } = { ...window, samples: noSound };
  delete kept.codes;
  return kept;
}

function channelOf(item: Item): number {
  switch (item.kind) {
    case "window":
      return item.window.channel;
    case "gap":
      return item.gap.channel;
    case "reset":
      return item.channel;
  }
}
