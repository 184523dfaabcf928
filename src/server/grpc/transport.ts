import { type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import { Observable } from "rxjs";
import {
  SessionEventSchema,
  type StreamingDetectRequestSchema,
} from "../../gen/earwitness/v1/earwitness_pb.ts";
import { Fault } from "../../stream/errors.ts";
import type { SessionEvent } from "../../stream/events.ts";
import type { ClientMessage, Connection, EventSink } from "../connection.ts";
import { PeerLost } from "../connection.ts";
import type { Parsed } from "./definition.ts";
import { createGrpcDialect } from "./dialect.ts";
import { toWireEvent } from "./events.ts";
import { resetStream } from "./reset-stream.ts";
import { toStatus } from "./status.ts";

export type StreamingCall = ServerDuplexStream<
  Parsed<MessageShape<typeof StreamingDetectRequestSchema>>,
  Uint8Array
>;
export type EventCall = StreamingCall | ServerWritableStream<unknown, Uint8Array>;

/**
 * A client on Node's HTTP/2 that cancels ends its side first and resets the stream a loop turn later, so an end is
 * believed only when no reset has followed it for so long.
 */
const endGraceMs = 25;

/** What all calls together were sent and have not taken. */
export class Backlog {
  bytes = 0;
}

export interface SinkOptions {
  /** How long a peer has to take its last events and the status before its stream is reset. */
  readonly closeGraceMs: number;
  readonly backlog: Backlog;
}

/** Sends events down a call and ends it. */
export class CallSink implements EventSink {
  readonly #call: EventCall;
  readonly #options: SinkOptions;
  #backlogBytes = 0;
  #closed = false;

  constructor(call: EventCall, options: SinkOptions) {
    this.#call = call;
    this.#options = options;
    // What a call that is over had not taken is never taken.
    call.once("cancelled", () => this.#count(-this.#backlogBytes));
  }

  send(event: SessionEvent): void {
    if (this.#closed || this.#call.cancelled) return;
    const encoded = toBinary(SessionEventSchema, toWireEvent(event));
    this.#count(encoded.byteLength);
    this.#call.write(encoded, () => {
      if (this.#backlogBytes > 0) this.#count(-encoded.byteLength);
    });
  }

  backlogBytes(): number {
    return this.#backlogBytes;
  }

  close(fault?: Fault): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#call.cancelled) return;
    // The status goes after what was written, and nothing but a reset can overtake what a stalled peer never reads.
    const timer = setTimeout(() => resetStream(this.#call), this.#options.closeGraceMs);
    this.#call.once("cancelled", () => clearTimeout(timer));
    if (fault === undefined) this.#call.end();
    else this.#call.emit("error", toStatus(fault));
  }

  #count(bytes: number): void {
    this.#backlogBytes += bytes;
    this.#options.backlog.bytes += bytes;
  }
}

/** A call of StreamingDetect as the host sees it. */
export function createConnection(
  call: StreamingCall,
  maxMetadataBytes: number,
  options: SinkOptions,
): Connection {
  const sink = new CallSink(call, options);
  return {
    transport: "grpc",
    messages: readMessages(call, maxMetadataBytes),
    valve: { pause: () => void call.pause(), resume: () => void call.resume() },
    send: (event) => sink.send(event),
    backlogBytes: () => sink.backlogBytes(),
    close: (fault) => sink.close(fault),
  };
}

/**
 * Without a listener or while paused, grpc-js reads no more than 16 messages ahead, and HTTP/2 holds the client back.
 */
function readMessages(call: StreamingCall, maxMetadataBytes: number): Observable<ClientMessage> {
  const dialect = createGrpcDialect(maxMetadataBytes);
  return new Observable((subscriber) => {
    const read = (incoming: Parsed<MessageShape<typeof StreamingDetectRequestSchema>>) => {
      let message: ClientMessage;
      try {
        if (incoming instanceof Fault) throw incoming;
        message = dialect.read(incoming);
      } catch (reason) {
        subscriber.error(reason);
        return;
      }
      subscriber.next(message);
    };
    const lose = () => subscriber.error(new PeerLost("the call was cancelled"));
    let ending: NodeJS.Timeout | undefined;
    const end = () => {
      ending = setTimeout(() => subscriber.complete(), endGraceMs);
    };
    call.on("cancelled", lose);
    call.on("end", end);
    call.on("data", read);
    return () => {
      clearTimeout(ending);
      call.off("cancelled", lose);
      call.off("end", end);
      call.off("data", read);
    };
  });
}
