import type { IncomingMessage } from "node:http";
import { type RawData, WebSocket } from "ws";
import { cancelledError, connectionError, EarwitnessError } from "./error.ts";
import type { SessionEvent } from "./events.ts";
import { readFailure } from "./http.ts";
import type { Address, AudioPacket, StartOptions } from "./options.ts";
import { toSnakeCase } from "./snake-case.ts";
import type { EventWire, SessionWire, WireListener } from "./wire.ts";

type WsAddress = Extract<Address, { transport: "ws" }>;

const subprotocol = "earwitness.v1";
/** Bytes that may wait to be sent before a sender is asked to wait, and until it may go on. */
const highWaterBytes = 256 << 10;
const lowWaterBytes = 64 << 10;
const headerBytes = 12;

/** Opens one session over WebSocket. */
export function openWsSession(
  address: WsAddress,
  token: string | undefined,
  start: StartOptions,
  listener: WireListener,
): SessionWire {
  const socket = open(`${address.ws}/v1/stream`, token);
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const events = listen(socket, listener, wake);
  const say = (message: unknown) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(toSnakeCase(message)), ignore);
  };
  const send = (chunk: Uint8Array): boolean => {
    if (socket.readyState !== WebSocket.OPEN) return true;
    socket.send(chunk, () => {
      if (socket.bufferedAmount <= lowWaterBytes) wake();
    });
    return socket.bufferedAmount <= highWaterBytes;
  };
  const { sessionId, callId, pace, audio, detection, results, metadata } = start;
  socket.once("open", () =>
    say({ type: "start", version: 1, sessionId, callId, pace, audio, detection, results, metadata }),
  );
  return {
    ...events,
    audio: send,
    packet: (packet) => send(toSequenced(packet)),
    control: say,
    finish: () => say({ type: "close" }),
    drained: () =>
      new Promise((resolve) => {
        if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount <= lowWaterBytes) resolve();
        else waiting.add(resolve);
      }),
  };
}

/** Watches a session or a call over WebSocket. */
export function openWsWatch(
  address: WsAddress,
  token: string | undefined,
  target: { readonly sessionId: string } | { readonly callId: string },
  listener: WireListener,
): EventWire {
  const path =
    "sessionId" in target
      ? `/v1/sessions/${encodeURIComponent(target.sessionId)}/events`
      : `/v1/calls/${encodeURIComponent(target.callId)}/events`;
  return listen(open(address.ws + path, token), listener, () => undefined);
}

const open = (url: string, token: string | undefined): WebSocket =>
  new WebSocket(url, subprotocol, {
    perMessageDeflate: false,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  });

/** A send that fails is followed by `close`, which says why. */
const ignore = () => undefined;

function listen(socket: WebSocket, listener: WireListener, onOver: () => void): EventWire {
  let failure: EarwitnessError | undefined;
  let opened = false;
  let over = false;
  const end = (error?: EarwitnessError) => {
    if (over) return;
    over = true;
    onOver();
    listener.onEnd(error);
  };
  socket.once("open", () => {
    opened = true;
  });
  socket.on("message", (raw: RawData) => {
    const event = parseEvent(raw);
    if (event.type === "error") failure = new EarwitnessError(event);
    listener.onEvent(event);
  });
  socket.once("unexpected-response", (_request, response: IncomingMessage) => {
    readFailure(response).then(
      (refused) => end(new EarwitnessError(refused)),
      (cause: unknown) => end(connectionError("connection_failed", "the answer broke off", cause)),
    );
  });
  socket.on("error", (cause) => {
    failure ??= connectionError(opened ? "connection_lost" : "connection_failed", cause.message, cause);
  });
  socket.once("close", (code: number, reason: Buffer) => {
    end(code === 1000 ? undefined : (failure ?? toCloseError(code, reason.toString())));
  });
  return {
    hold: () => socket.pause(),
    release: () => socket.resume(),
    abort: () => {
      failure ??= cancelledError();
      socket.terminate();
    },
  };
}

/** The server's events are trusted to be what its protocol says. */
const parseEvent = (raw: RawData): SessionEvent => JSON.parse(toText(raw)) as SessionEvent;

function toText(raw: RawData): string {
  if (Array.isArray(raw)) return Buffer.concat(raw).toString();
  return Buffer.isBuffer(raw) ? raw.toString() : Buffer.from(raw).toString();
}

/** For a close that no `error` event came before: ws answers what is too large by itself. */
function toCloseError(code: number, reason: string): EarwitnessError {
  const message = `the server closed with ${code} ${reason}`.trim();
  if (code === 1009) return new EarwitnessError({ code: "message_too_large", message, retryable: false });
  if (reason === "") return connectionError("connection_lost", message);
  return new EarwitnessError({ code: reason.toLowerCase(), message, retryable: false });
}

/** Header and payload of framing `sequenced`. */
function toSequenced({ channel, seq, mediaTimestamp, payload }: AudioPacket): Uint8Array {
  const chunk = new Uint8Array(headerBytes + payload.byteLength);
  const header = new DataView(chunk.buffer);
  header.setUint8(0, 1);
  header.setUint8(1, channel);
  header.setUint32(4, seq);
  header.setUint32(8, mediaTimestamp);
  chunk.set(payload, headerBytes);
  return chunk;
}
