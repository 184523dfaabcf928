import type { EarwitnessError } from "./error.ts";
import type { EventKind, EventOf, SessionEvent } from "./events.ts";
import type { EventWire, WireListener } from "./wire.ts";

/** Events that wait for a reader who iterates slowly, before the server is left to notice it. */
const maxWaiting = 1024;

type Listener = (event: SessionEvent) => void;

/**
 * The events of one connection: for listeners as they come, and for one reader who iterates from the first of them.
 * Until someone iterates, the last 1,024 are kept.
 */
export class EventStream implements AsyncIterable<SessionEvent>, WireListener {
  /** Resolves when the connection has ended in peace; rejects with an {@link EarwitnessError} otherwise. */
  readonly ended: Promise<void>;
  readonly #listeners = new Map<EventKind | "event", Set<Listener>>();
  #settle: { readonly resolve: () => void; readonly reject: (error: EarwitnessError) => void } | undefined;
  #wire: EventWire | undefined;
  #waiting: SessionEvent[] = [];
  #over = false;
  #failure: EarwitnessError | undefined;
  #iterated = false;
  #held = false;
  #wake: (() => void) | undefined;

  constructor() {
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Who does not ask how it ended is told by the iteration, or does not want to know.
    this.ended.catch(() => undefined);
  }

  attach(wire: EventWire): void {
    this.#wire = wire;
  }

  /** Calls back for each event of a kind, or for every `event`; gives back how to stop. */
  on<Kind extends EventKind>(kind: Kind, listener: (event: EventOf<Kind>) => void): () => void;
  on(kind: "event", listener: (event: SessionEvent) => void): () => void;
  on(kind: EventKind | "event", listener: Listener): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  }

  onEvent(event: SessionEvent): void {
    this.#waiting.push(event);
    if (this.#waiting.length > maxWaiting) this.#relieve();
    for (const kind of [event.type, "event"] as const)
      for (const listener of [...(this.#listeners.get(kind) ?? [])]) listener(event);
    this.#wake?.();
  }

  onEnd(error?: EarwitnessError): void {
    if (this.#over) return;
    this.#over = true;
    this.#failure = error;
    if (error) this.#settle?.reject(error);
    else this.#settle?.resolve();
    this.#wake?.();
  }

  /** Ends after the last event; throws the connection's {@link EarwitnessError} where it ended badly. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SessionEvent, void, undefined> {
    this.#iterated = true;
    try {
      for (;;) {
        yield* this.#take();
        if (this.#waiting.length > 0) continue;
        if (this.#over) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#iterated = false;
      this.#release();
    }
    if (this.#failure) throw this.#failure;
  }

  *#take(): Generator<SessionEvent> {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      if (this.#waiting.length <= maxWaiting / 2) this.#release();
      yield event;
    }
  }

  /** A reader who is behind holds the wire, and the server sees it; without a reader the oldest event goes. */
  #relieve(): void {
    if (!this.#iterated) {
      this.#waiting.shift();
    } else if (!this.#held) {
      this.#held = true;
      this.#wire?.hold();
    }
  }

  #release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#wire?.release();
  }
}
