import type { WebSocket } from "ws";
import type { Clock } from "../clock.ts";

/** A peer that has missed so many pings is gone. */
const maxMissed = 2;

/** Pings every open socket now and then, and ends those whose peer has silently gone. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #missed = new Map<WebSocket, number>();
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** Until the socket closes. Anything it says counts as alive. */
  watch(socket: WebSocket): void {
    const alive = (): void => {
      this.#missed.set(socket, 0);
    };
    alive();
    socket.on("pong", alive).on("message", alive);
    socket.on("close", () => {
      this.#missed.delete(socket);
    });
    this.#cancel ??= this.#clock.after(this.#intervalMs, () => this.#beat());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#missed.clear();
  }

  #beat(): void {
    for (const [socket, missed] of this.#missed) {
      // We do not read a paused socket, so its silence means nothing.
      if (socket.isPaused) continue;
      if (missed >= maxMissed) socket.terminate();
      else {
        this.#missed.set(socket, missed + 1);
        if (socket.readyState === socket.OPEN) socket.ping();
      }
    }
    this.#cancel =
      this.#missed.size > 0 ? this.#clock.after(this.#intervalMs, () => this.#beat()) : undefined;
  }
}
