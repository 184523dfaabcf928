import { Subscription } from "rxjs";
import { Fault } from "../stream/errors.ts";
import { PeerLost, type ClientMessage, type Connection, type StartRequest } from "./connection.ts";
import { toLoneError } from "./fault-events.ts";
import type { LiveSession } from "./live-session.ts";
import type { Workshop } from "./session-port.ts";

/** One connection from its first byte to its last: waits for `start`, then passes everything to the session. */
export class Visit {
  readonly #connection: Connection;
  readonly #workshop: Workshop;
  readonly #admit: (request: StartRequest, connection: Connection, onEnded: () => void) => LiveSession;
  readonly #onLeft: (visit: Visit) => void;
  readonly #subscription = new Subscription();
  #session: LiveSession | undefined;
  #left = false;

  /** `admit` throws Faults; `onLeft` is called once, when the connection is done with. */
  constructor(
    connection: Connection,
    workshop: Workshop,
    admit: (request: StartRequest, connection: Connection, onEnded: () => void) => LiveSession,
    onLeft: (visit: Visit) => void,
  ) {
    this.#connection = connection;
    this.#workshop = workshop;
    this.#admit = admit;
    this.#onLeft = onLeft;
  }

  get started(): boolean {
    return this.#session !== undefined;
  }

  begin(): void {
    const { clock, limits } = this.#workshop;
    const cancel = clock.after(limits.startMs, () => {
      if (!this.started) this.refuse(new Fault("start_timeout", "no start came in time"));
    });
    this.#subscription.add(cancel);
    this.#subscription.add(
      this.#connection.messages.subscribe({
        next: (message) => this.#take(message),
        error: (reason: unknown) => this.#broken(reason),
        complete: () => this.#completed(),
      }),
    );
  }

  /** Ends a connection that has no session. */
  refuse(fault: Fault, sessionId?: string): void {
    if (this.#left) return;
    if (fault.code === "internal") this.#workshop.log.error({ err: fault.cause ?? fault }, "start failed");
    this.#workshop.metrics.faulted(fault.code);
    this.#connection.send(toLoneError(fault, sessionId));
    this.#connection.close(fault);
    this.#leave();
  }

  /** An exception that left a subscriber would end the process, so none does. */
  #take(message: ClientMessage): void {
    if (this.#left) return;
    try {
      if (this.#session !== undefined) this.#session.take(message);
      else this.#first(message);
    } catch (reason) {
      this.#broken(reason);
    }
  }

  #first(message: ClientMessage): void {
    if (message.type === "audio") {
      throw new Fault("audio_before_start", "the first message must be start");
    }
    if (message.type !== "start") {
      throw new Fault("bad_message", "the first message must be start", { inReplyTo: message.type });
    }
    try {
      this.#session = this.#admit(message.request, this.#connection, () => this.#leave());
    } catch (reason) {
      this.refuse(Fault.from(reason), message.request.sessionId);
      return;
    }
    this.#session.begin();
  }

  #broken(reason: unknown): void {
    if (reason instanceof PeerLost) {
      if (this.#session !== undefined) {
        this.#session.abandon();
        return;
      }
      this.#connection.close();
      this.#leave();
    } else if (this.#session !== undefined) this.#session.fail(reason);
    else this.refuse(Fault.from(reason));
  }

  #completed(): void {
    if (this.#session !== undefined) {
      this.#session.conclude("close");
      return;
    }
    this.#connection.close();
    this.#leave();
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#subscription.unsubscribe();
    this.#onLeft(this);
  }
}
