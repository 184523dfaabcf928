import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type ServerOptions, type WebSocket } from "ws";
import { Fault } from "../../stream/errors.ts";
import type { Clock } from "../clock.ts";
import { refuseWatcher } from "../fault-events.ts";
import type { Host, WatchTarget } from "../host-port.ts";
import { writeRefusal } from "../http/answer.ts";
import { decodeSegment } from "../http/segment.ts";
import type { Limits } from "../limits.ts";
import { toJson } from "../wire-json.ts";
import { closeCodes } from "./close-codes.ts";
import { SocketConnection } from "./connection.ts";
import { createJsonDialect } from "./dialect.ts";
import { Heartbeat } from "./heartbeat.ts";
import { SocketSink } from "./socket-sink.ts";

const goodbyeMs = 1000;
const subprotocol = "earwitness.v1";
/** A browser's way to bring a token; never to be answered with. */
const tokenPrefix = "earwitness.bearer.";

export interface WebSocketDoorParts {
  readonly host: Host;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Web origins beside our own whose pages may connect; `*` for any. */
  readonly allowedOrigins: readonly string[];
}

export interface WebSocketDoor {
  /** For the HTTP server's `upgrade`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Bytes of events that no peer has taken yet. */
  backlogBytes(): number;
  /** Says goodbye to who is left, and cuts off who has not answered soon. */
  close(): Promise<void>;
}

type Door = { readonly kind: "stream" } | { readonly kind: "watch"; readonly target: WatchTarget };

/** The native protocol at `/v1/stream`, and watching at `/v1/sessions/{id}/events` and `/v1/calls/{call_id}/events`. */
export function createWebSocketDoor({
  host,
  limits,
  clock,
  allowedOrigins,
}: WebSocketDoorParts): WebSocketDoor {
  const server = new WebSocketServer(socketOptions(limits));
  const heartbeat = new Heartbeat(clock, limits.pingMs);
  const dialect = createJsonDialect(limits.metadataBytes);
  const serve = (socket: WebSocket, door: Door): void => {
    heartbeat.watch(socket);
    if (door.kind === "stream") host.accept(new SocketConnection(socket, dialect));
    else watch(host, socket, door.target);
  };
  return {
    upgrade(request, socket, head) {
      // A peer may reset the connection before ws looks after it.
      socket.on("error", () => socket.destroy());
      try {
        const door = findDoor(request);
        assertOrigin(request, allowedOrigins);
        assertSubprotocol(request);
        server.handleUpgrade(request, socket, head, (opened) => {
          serve(opened, door);
        });
      } catch (reason) {
        writeRefusal(socket, Fault.from(reason));
      }
    },
    backlogBytes: () => [...server.clients].reduce((sum, socket) => sum + socket.bufferedAmount, 0),
    async close() {
      heartbeat.stop();
      await Promise.all([...server.clients].map(sayGoodbye));
      server.close();
    },
  };
}

/** What was sent to a socket before its close frame is lost when it is cut off, so it is given a moment. */
async function sayGoodbye(socket: WebSocket): Promise<void> {
  if (socket.readyState === socket.CLOSED) return;
  const cut = setTimeout(() => socket.terminate(), goodbyeMs);
  const closed = once(socket, "close");
  socket.close(closeCodes.draining, "DRAINING");
  await closed;
  clearTimeout(cut);
}

function socketOptions(limits: Limits): ServerOptions & { readonly closeTimeout: number } {
  return {
    noServer: true,
    clientTracking: true,
    maxPayload: limits.messageBytes,
    // Audio does not compress, and a decompressor is a way to make a small message large.
    perMessageDeflate: false,
    maxFragments: 64,
    maxBufferedChunks: 4096,
    closeTimeout: 5000,
    // Without this, ws would answer with whatever came first, which may be a token.
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  };
}

function watch(host: Host, socket: WebSocket, target: WatchTarget): void {
  const sink = new SocketSink(socket, toJson);
  try {
    const stop = host.watch(target, sink);
    socket.on("close", stop);
  } catch (reason) {
    refuseWatcher(sink, reason);
  }
}

function findDoor(request: IncomingMessage): Door {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (path === "/v1/stream") return { kind: "stream" };
  const [, kind, encoded] = /^\/v1\/(sessions|calls)\/([^/]{1,400})\/events$/.exec(path) ?? [];
  if (kind === undefined || encoded === undefined) {
    throw new Fault("unknown_session", "there is no WebSocket at this path");
  }
  const id = decodeSegment(encoded);
  return kind === "sessions"
    ? { kind: "watch", target: { kind: "session", sessionId: id } }
    : { kind: "watch", target: { kind: "call", callId: id } };
}

/** Any page that a person visits can reach a server on their own machine; only our page and named ones may listen in. */
function assertOrigin({ headers }: IncomingMessage, allowed: readonly string[]): void {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return;
  if (origin === `http://${host ?? ""}` || origin === `https://${host ?? ""}`) return;
  throw new Fault("forbidden", "pages of this origin may not connect");
}

/** Offering none is fine; offering only others is not, since no answer would please the client. */
function assertSubprotocol({ headers }: IncomingMessage): void {
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  const others = offered.filter((name) => name !== "" && !name.startsWith(tokenPrefix));
  if (offered.join("") === "" || others.includes(subprotocol)) return;
  throw new Fault("bad_message", `the subprotocol must be ${subprotocol}`);
}
