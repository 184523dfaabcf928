import type { Observable } from "rxjs";
import type { Command, DetectionOverrides, Pace, ResultsFilter } from "../stream/commands.ts";
import type { Fault } from "../stream/errors.ts";
import type { SessionEvent } from "../stream/events.ts";
import type { SourceFormat, Valve } from "../stream/ports.ts";

/** A client's first message, checked: what it sends and what it wants. */
export interface StartRequest {
  readonly sessionId?: string;
  readonly callId?: string;
  readonly pace: Pace;
  readonly audio: SourceFormat;
  /** One per channel, in order; `channel 0` … when the client named none. */
  readonly channelLabels: readonly string[];
  readonly model?: string;
  readonly detection: DetectionOverrides;
  readonly results: ResultsFilter;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What a client can say, in any dialect. */
export type ClientMessage =
  | { readonly type: "start"; readonly request: StartRequest }
  | { readonly type: "keep_alive" }
  | { readonly type: "close" }
  | Command;

/** One wire language. Pure and total, so one conformance suite covers every dialect. */
export interface Dialect<Incoming, Outgoing> {
  /** Throws a `bad_message` or `unsupported_audio` Fault. */
  read(incoming: Incoming): ClientMessage;
  write(event: SessionEvent): Outgoing;
}

/** Where events go: a client's own connection or a watcher's. Never throws: a dead socket is the source's error. */
export interface EventSink {
  send(event: SessionEvent): void;
  /** Bytes handed over and not yet taken by the peer. */
  backlogBytes(): number;
  /** Ends it: cleanly, or by the transport's code for the fault. Idempotent. */
  close(fault?: Fault): void;
}

/** One client, whatever carried it here. A transport's whole job is to make these. */
export interface Connection extends EventSink {
  readonly transport: "websocket" | "grpc";
  /**
   * Cold, subscribed once by the host. Completes when the client says that it has finished (half-close, `close`),
   * errors with a Fault for what it got wrong and with {@link PeerLost} when it vanished.
   */
  readonly messages: Observable<ClientMessage>;
  readonly valve: Valve;
}

/** The peer went away without saying so. */
export class PeerLost extends Error {
  override readonly name = "PeerLost";
}
