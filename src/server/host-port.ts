import type { DetectionOverrides } from "../stream/commands.ts";
import type { ChannelSummary, ReadyBody, SummaryBody } from "../stream/events.ts";
import type { ChannelResult } from "../stream/recording.ts";
import type { Millis } from "../stream/units.ts";
import type { Connection, EventSink } from "./connection.ts";

export type WatchTarget =
  | { readonly kind: "session"; readonly sessionId: string }
  | { readonly kind: "call"; readonly callId: string };

/** A running session, or one that ended within the last minute. */
export interface SessionSnapshot {
  readonly sessionId: string;
  readonly transport: "websocket" | "grpc";
  readonly tMediaMs: Millis;
  readonly ready: ReadyBody;
  readonly channels: readonly ChannelSummary[];
  /** Present once it has ended. */
  readonly summary?: SummaryBody;
}

export interface ServedModel {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
  readonly calibrationId: string | null;
  readonly family: string;
  readonly licence: string;
  readonly sampleRate: number;
  readonly windowMs: number;
  /** The ONNX Runtime execution provider really in use. */
  readonly provider: string;
  readonly isDefault: boolean;
}

/** A whole recording in memory, and what its bytes are: a container to be recognised, or bare samples. */
export interface Recording {
  readonly content: Uint8Array;
  readonly bare?: { readonly encoding: string; readonly sampleRate: number; readonly channels: number };
}

export interface DetectOutcome {
  readonly model: string;
  readonly channels: readonly ChannelResult[];
  /** By which the model shuffled the frames of each window, where it does so by a seed. */
  readonly seed?: number;
}

/** What every transport sees of the server: admission, sessions, watching, recordings. Methods throw Faults. */
export interface Host {
  /** Takes over a new connection, of which nothing has been read. */
  accept(connection: Connection): void;
  /** `ready` and each channel's state first, then everything as it happens. Returns how to stop. */
  watch(target: WatchTarget, sink: EventSink): () => void;
  session(sessionId: string): SessionSnapshot;
  sessions(callId?: string): readonly SessionSnapshot[];
  models(): readonly ServedModel[];
  detect(
    recording: Recording,
    detection: DetectionOverrides & { readonly model?: string },
    signal: AbortSignal,
  ): Promise<DetectOutcome>;
  /** False from the first moment of draining: readiness and health say so before sessions are told. */
  readonly accepting: boolean;
  /** Refuses newcomers, warns running sessions, ends who is left after the drain time with a `summary`. */
  drain(): Promise<void>;
}
