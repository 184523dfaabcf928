import type { Valve } from "../stream/ports.ts";
import type { Clock } from "./clock.ts";

/** Calls once nothing has been heard for so long. A client that we hold back ourselves is not idle. */
export class IdleWatch {
  readonly valve: Valve;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #onIdle: () => void;
  #heardAt: number;
  #held = false;
  #cancel: (() => void) | undefined;

  /** `valve` is the source's; use the one that this object offers in its place. */
  constructor(clock: Clock, idleMs: number, valve: Valve, onIdle: () => void) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
    this.#heardAt = clock.now();
    this.valve = {
      pause: () => {
        this.#held = true;
        valve.pause();
      },
      resume: () => {
        this.#held = false;
        this.heard();
        valve.resume();
      },
    };
  }

  start(): void {
    this.heard();
    this.#wait(this.#idleMs);
  }

  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  /** Idempotent. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** One timer that looks back, in place of one per message. */
  #wait(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      const left = this.#heardAt + this.#idleMs - this.#clock.now();
      if (this.#held) this.#wait(this.#idleMs);
      else if (left > 0) this.#wait(left);
      else this.#onIdle();
    });
  }
}
