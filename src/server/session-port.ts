import type { Observable } from "rxjs";
import type { Command } from "../stream/commands.ts";
import type { AudioFormat, Decoder } from "../stream/ports.ts";
import type { Session, SessionParts } from "../stream/session.ts";
import type { Clock } from "./clock.ts";
import type { Limits } from "./limits.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** What every session of a server shares. */
export interface Workshop {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Throws `unsupported_audio` Faults. */
  readonly createDecoder: (format: AudioFormat) => Decoder;
  /** The session owns the decoder: it closes it when its events end or are unsubscribed. */
  readonly createSession: (parts: SessionParts, commands: Observable<Command>) => Session;
}
