import type { Observable } from "rxjs";
import type { Command, Pace } from "./commands.ts";
import type { ChannelSummary, EventBody } from "./events.ts";
import type { AudioFormat, Decoder, DetectionDefaults, Detector, Valve } from "./ports.ts";
import type { Millis } from "./units.ts";

export interface SessionParts {
  readonly format: AudioFormat;
  readonly pace: Pace;
  readonly decoder: Decoder;
  readonly detector: Detector;
  /** The pack's defaults with the client's overrides applied. */
  readonly detection: DetectionDefaults;
  /** Paused when `file` pace is ahead of the detector. Untouched under `live`. */
  readonly valve: Valve;
  /** A monotonic clock in milliseconds, for latencies only. */
  readonly now: () => number;
}

/** One session's detection, from its first byte to its last verdict. */
export interface Session {
  /**
   * `score`, `state`, `alert` and `gap` events in order; completes when `commands` has completed and every window is
   * answered; errors with a Fault. Cold, subscribed once: nothing runs before, and unsubscribing cancels all of it.
   */
  readonly events: Observable<EventBody>;
  /** Media time so far: the longest channel's samples consumed plus its gaps. */
  tMediaMs(): Millis;
  /** Each channel as its summary would read now. */
  channels(): readonly ChannelSummary[];
}

export declare function createSession(parts: SessionParts, commands: Observable<Command>): Session;
