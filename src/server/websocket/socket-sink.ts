import type { WebSocket } from "ws";
import type { Fault } from "../../stream/errors.ts";
import type { SessionEvent } from "../../stream/events.ts";
import type { EventSink } from "../connection.ts";
import { closeCodes } from "./close-codes.ts";

/** How long a reader that does not read is given to notice that it was cut off. */
const terminateMs = 1000;

/** One WebSocket as a place where events go. */
export class SocketSink implements EventSink {
  protected readonly socket: WebSocket;
  readonly #write: (event: SessionEvent) => string;
  #closed = false;

  constructor(socket: WebSocket, write: (event: SessionEvent) => string) {
    this.socket = socket;
    this.#write = write;
    // An error always ends in `close`, and one that nobody listens to would end the process.
    socket.on("error", () => undefined);
  }

  send(event: SessionEvent): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    // The callback takes what would otherwise be thrown; the socket's own `close` tells the host.
    this.socket.send(this.#write(event), () => undefined);
  }

  backlogBytes(): number {
    return this.socket.bufferedAmount;
  }

  close(fault?: Fault): void {
    if (this.#closed) return;
    this.#closed = true;
    // A paused socket would never read the peer's answer to our close.
    this.socket.resume();
    this.socket.close(fault ? closeCodes[fault.code] : 1000, fault?.code.toUpperCase());
    if (fault?.code === "slow_reader") setTimeout(() => this.socket.terminate(), terminateMs).unref();
  }
}
