import { once } from "node:events";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { WebSocket } from "ws";
import { type Ended, type Plain, ProtoClient, richDetails, statusOf } from "./grpc-client.ts";

/** An event as JSON says it, whichever wire it came over. */
export type Event = Record<string, unknown>;

/** How a wire said that it was over. */
export interface LineEnd {
  /** A WebSocket close code or a gRPC status. */
  readonly code: number;
  /** The fault's name as the wire carries it, in upper case: the close reason, or `ErrorInfo.reason`. */
  readonly reason: string;
}

/** One client of the real server that can also misbehave; the same words on both wires. */
export interface Line {
  readonly wire: "websocket" | "grpc";
  readonly events: readonly Event[];
  readonly ended: Promise<LineEnd>;
  start(said?: Event): void;
  say(type: string, fields?: Event): void;
  audio(chunk: Uint8Array): void;
  packet(packet: Packet): void;
  close(): void;
  /** The first event that is such, now or when it comes; rejects when the line ends without one. */
  event(type: string, where?: (event: Event) => boolean): Promise<Event>;
  /** Stops reading, or reads on. */
  deaf(isDeaf: boolean): void;
  /** Bytes that were handed over and have not left this process. */
  unsent(): number;
  /** Ends it at once, whatever state it is in. */
  destroy(): void;
}

/** Where a server listens. */
export interface Address {
  readonly ws: string;
  readonly grpc: string;
}

export interface Packet {
  readonly payload: Uint8Array;
  readonly seq: number;
  readonly timestamp: number;
  readonly channel?: number;
}

export const pcm16k = { encoding: "pcm_s16le", sample_rate: 16_000, channels: 1 };
export const wires = ["websocket", "grpc"] as const;

/** A client on one wire, connected. */
export async function openLine(wire: Line["wire"], server: Address): Promise<Line> {
  return wire === "grpc" ? new GrpcLine(new ProtoClient(server.grpc)) : await openSocket(server);
}

/** A WebSocket client, which can say any text. */
export async function openSocket(server: Address): Promise<Line & { text(text: string): void }> {
  const socket = new WebSocket(`${server.ws}/v1/stream`, ["earwitness.v1"]);
  const line = new SocketLine(socket);
  await once(socket, "open");
  return line;
}

/** Somebody who watches a session or a call. */
export async function openWatcher(
  wire: Line["wire"],
  server: Address,
  target: { readonly session_id: string } | { readonly call_id: string },
): Promise<Pick<Line, "wire" | "events" | "ended" | "event" | "destroy">> {
  if (wire === "grpc") {
    const client = new ProtoClient(server.grpc);
    return new GrpcLine(client, client.watch(target));
  }
  const path = "session_id" in target ? `sessions/${target.session_id}` : `calls/${target.call_id}`;
  const socket = new WebSocket(`${server.ws}/v1/${path}/events`, ["earwitness.v1"]);
  const line = new SocketLine(socket);
  await once(socket, "open");
  return line;
}

const open = new Set<{ destroy(): void }>();

/** Ends every line that is still open: what a test that failed left behind would keep its process alive. */
export function destroyLines(): void {
  for (const line of open) line.destroy();
}

/** Messages are read when somebody asks for them: who was deaf for long has little time to take what is left. */
class Heard {
  readonly #events: Event[] = [];
  #unread: (() => Event)[] = [];
  #waiting: (() => void)[] = [];
  #over = false;

  get events(): readonly Event[] {
    for (const read of this.#unread.splice(0)) this.#events.push(read());
    return this.#events;
  }

  add(read: () => Event): void {
    this.#unread.push(read);
    this.#wake();
  }

  end(): void {
    this.#over = true;
    this.#wake();
  }

  async event(type: string, where: (event: Event) => boolean = () => true): Promise<Event> {
    for (let from = 0; ;) {
      const { events } = this;
      for (; from < events.length; from++) {
        const event = events[from];
        if (event?.["type"] === type && where(event)) return event;
      }
      if (this.#over) {
        throw new Error(`ended without such a ${type}; last: ${JSON.stringify(this.events.at(-1))}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const tell of this.#waiting.splice(0)) tell();
  }
}

class SocketLine implements Line {
  readonly wire = "websocket";
  readonly ended: Promise<LineEnd>;
  readonly #socket: WebSocket;
  readonly #heard = new Heard();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    // What the server says is the subject of the tests.
    socket.on("message", (raw: Buffer) => this.#heard.add(() => JSON.parse(raw.toString()) as Event));
    socket.on("error", () => undefined);
    open.add(this);
    this.ended = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        open.delete(this);
        this.#heard.end();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  get events(): readonly Event[] {
    return this.#heard.events;
  }

  start(said: Event = {}): void {
    this.say("start", { version: 1, audio: pcm16k, ...said });
  }

  say(type: string, fields: Event = {}): void {
    this.#socket.send(JSON.stringify({ type, ...fields }));
  }

  /** Anything as a text message. */
  text(text: string): void {
    this.#socket.send(text);
  }

  audio(chunk: Uint8Array): void {
    this.#socket.send(chunk);
  }

  packet({ payload, seq, timestamp, channel = 0 }: Packet): void {
    const message = Buffer.alloc(12 + payload.length);
    message.writeUInt8(1, 0);
    message.writeUInt8(channel, 1);
    message.writeUInt32BE(seq >>> 0, 4);
    message.writeUInt32BE(timestamp >>> 0, 8);
    message.set(payload, 12);
    this.#socket.send(message);
  }

  close(): void {
    this.say("close");
  }

  event(type: string, where?: (event: Event) => boolean): Promise<Event> {
    return this.#heard.event(type, where);
  }

  deaf(isDeaf: boolean): void {
    if (isDeaf) this.#socket.pause();
    else this.#socket.resume();
  }

  unsent(): number {
    return this.#socket.bufferedAmount;
  }

  destroy(): void {
    this.#socket.terminate();
  }
}

class GrpcLine implements Line {
  readonly wire = "grpc";
  readonly ended: Promise<LineEnd>;
  readonly #client: ProtoClient;
  readonly #call: ReturnType<ProtoClient["stream"]> | ReturnType<ProtoClient["watch"]>;
  readonly #heard = new Heard();

  constructor(
    client: ProtoClient,
    call: ReturnType<ProtoClient["stream"]> | ReturnType<ProtoClient["watch"]> = client.stream(),
  ) {
    this.#client = client;
    this.#call = call;
    call.on("data", (message: Plain) => this.#heard.add(() => toEvent(message)));
    open.add(this);
    this.ended = statusOf(call).then((ended) => {
      open.delete(this);
      this.#heard.end();
      client.close();
      return { code: ended.code, reason: reasonOf(ended) };
    });
  }

  get events(): readonly Event[] {
    return this.#heard.events;
  }

  start(said: Event = {}): void {
    this.#write({ config: toConfig({ audio: pcm16k, ...said }) });
  }

  say(type: string, fields: Event = {}): void {
    this.#write({ control: { [type]: fields } });
  }

  audio(chunk: Uint8Array): void {
    this.#write({ audio: chunk });
  }

  packet({ payload, seq, timestamp, channel = 0 }: Packet): void {
    this.#write({ packet: { payload, channel, seq: seq >>> 0, media_timestamp: timestamp >>> 0 } });
  }

  /** Half-close. */
  close(): void {
    this.#duplex().end();
  }

  event(type: string, where?: (event: Event) => boolean): Promise<Event> {
    return this.#heard.event(type, where);
  }

  deaf(isDeaf: boolean): void {
    if (isDeaf) this.#call.pause();
    else this.#call.resume();
  }

  unsent(): number {
    return this.#duplex().writableLength;
  }

  destroy(): void {
    this.#call.cancel();
    this.#client.close();
  }

  #write(message: Plain): void {
    this.#duplex().write(message);
  }

  #duplex(): ClientDuplexStream<Plain, Plain> {
    if (!("write" in this.#call)) throw new TypeError("a watcher says nothing");
    return this.#call;
  }
}

function reasonOf(ended: Ended): string {
  if (ended.metadata.get("grpc-status-details-bin").length === 0) return "";
  const { reason } = richDetails(ended.metadata).info;
  return typeof reason === "string" ? reason : "";
}

const prefixes =
  /^(?:VERDICT|CHANNEL_STATE|REASON|CAUSE|CODE|STATUS|ENDED_BY|ENCODING|FRAMING|EVENT_KIND|PACE)_([A-Z0-9_]+)$/;

/** A protobuf message, as proto-loader gives it, in the words of JSON. */
function toEvent(message: Plain): Event {
  const type = String(message["event"]);
  const body = message[type];
  return {
    ...{ seq: 0, t_media_ms: 0, session_id: "", channel: 0 },
    ...plain(message),
    ...(typeof body === "object" && body !== null ? plain(body) : {}),
    ...{ type, event: undefined, [type]: undefined },
  };
}

const plain = (value: object): Event =>
  Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainValue(inner)]));

function plainValue(value: unknown): unknown {
  if (typeof value === "string") return toLower(value);
  if (Array.isArray(value)) return value.map(plainValue);
  return typeof value === "object" && value !== null ? plain(value) : value;
}

function toLower(text: string): string | null {
  const name = prefixes.exec(text)?.[1];
  if (name === undefined) return text;
  return name === "UNSPECIFIED" ? null : name.toLowerCase();
}

/** `start` as a StreamingConfig: enums have long names, and metadata is a Struct. */
function toConfig(said: Event): Plain {
  const { audio, pace, metadata, results, ...rest } = said;
  return {
    ...rest,
    ...named("pace", "PACE", pace),
    ...(metadata === undefined ? {} : { metadata: toStruct(metadata) }),
    ...(results === undefined ? {} : { results: toResults(results) }),
    audio: toAudio(audio),
  };
}

const named = (key: string, prefix: string, value: unknown): Plain =>
  typeof value === "string" ? { [key]: `${prefix}_${value.toUpperCase()}` } : {};

function toAudio(audio: unknown): Plain {
  const { encoding, framing, ...rest } = { ...(typeof audio === "object" ? audio : {}) } as Event;
  return {
    ...rest,
    ...named("encoding", "ENCODING", encoding),
    ...named("framing", "FRAMING", framing),
  };
}

function toResults(results: unknown): Plain {
  const { kinds, ...rest } = { ...(typeof results === "object" ? results : {}) } as Event;
  if (!Array.isArray(kinds)) return rest;
  return { ...rest, kinds: kinds.map((kind) => `EVENT_KIND_${String(kind).toUpperCase()}`) };
}

function toStruct(value: unknown): Plain {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return {
    fields: Object.fromEntries(entries.map(([key, text]) => [key, { stringValue: String(text) }])),
  };
}
