import { Observable } from "rxjs";
import type { RawData, WebSocket } from "ws";
import { Fault } from "../../stream/errors.ts";
import type { Valve } from "../../stream/ports.ts";
import { PeerLost, type ClientMessage, type Connection, type Dialect } from "../connection.ts";
import type { WebSocketMessage } from "./dialect.ts";
import { SocketSink } from "./socket-sink.ts";

/** A peer that closes with one of these has finished; with any other it has vanished. */
const cleanCodes: ReadonlySet<number> = new Set([1000, 1005]);

/** One WebSocket client as the host sees it. */
export class SocketConnection extends SocketSink implements Connection {
  readonly transport = "websocket";
  readonly messages: Observable<ClientMessage>;
  readonly valve: Valve;

  constructor(socket: WebSocket, dialect: Dialect<WebSocketMessage, string>) {
    super(socket, (event) => dialect.write(event));
    this.valve = {
      pause: () => {
        socket.pause();
      },
      resume: () => {
        socket.resume();
      },
    };
    this.messages = new Observable((subscriber) => {
      const onMessage = (raw: RawData, isBinary: boolean): void => {
        try {
          subscriber.next(dialect.read({ bytes: toBytes(raw), isBinary }));
        } catch (reason) {
          subscriber.error(reason);
        }
      };
      const onError = (reason: Error): void => {
        subscriber.error(toFault(reason));
      };
      const onClose = (code: number): void => {
        if (cleanCodes.has(code)) subscriber.complete();
        else subscriber.error(new PeerLost("the socket closed"));
      };
      socket.on("message", onMessage).on("error", onError).on("close", onClose);
      return () => {
        socket.off("message", onMessage).off("error", onError).off("close", onClose);
      };
    });
  }
}

function toBytes(raw: RawData): Uint8Array {
  if (Array.isArray(raw)) return Buffer.concat(raw);
  return raw instanceof ArrayBuffer ? new Uint8Array(raw) : raw;
}

/** What ws found wrong with the peer's frames has a code; the rest is the network's. */
function toFault(reason: Error): Error {
  const code = "code" in reason ? reason.code : undefined;
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
    return new Fault("message_too_large", "the message is too large", { cause: reason });
  }
  if (typeof code === "string" && code.startsWith("WS_ERR_")) {
    return new Fault("bad_message", "the WebSocket frames are not valid", { cause: reason });
  }
  return new PeerLost("the socket failed", { cause: reason });
}
