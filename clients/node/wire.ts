import type { EarwitnessError } from "./error.ts";
import type { SessionEvent } from "./events.ts";
import type { AudioPacket, Control } from "./options.ts";

/** Who is told what arrives. */
export interface WireListener {
  onEvent(event: SessionEvent): void;
  /** Once, last: without an error the server ended it in peace. */
  onEnd(error?: EarwitnessError): void;
}

/** A connection that carries events to us. */
export interface EventWire {
  /** Stops reading, so that the server notices a slow reader; and reads on. */
  hold(): void;
  release(): void;
  /** Drops the connection. */
  abort(): void;
}

/** One session's connection. What is sent after its end goes nowhere. */
export interface SessionWire extends EventWire {
  /** False when enough is waiting to be sent: see {@link drained}. */
  audio(chunk: Uint8Array): boolean;
  packet(packet: AudioPacket): boolean;
  control(control: Control): void;
  /** Says that no more audio comes. */
  finish(): void;
  /** Resolves when more can be sent, or nothing can any longer. */
  drained(): Promise<void>;
}
