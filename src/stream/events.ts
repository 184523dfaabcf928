import type { FaultCode } from "./errors.ts";
import type { DetectionDefaults, GapCause, SourceFormat } from "./ports.ts";
import type { Millis, Samples } from "./units.ts";

/*
 * What a session says. Field names are the wire's in camelCase: JSON is the same in snake_case, protobuf likewise.
 * Times are on the media timeline (samples consumed plus declared gaps), never wall clock;
 * each `…Ms` time has a `…Sample` twin at the source's clock.
 */

export const verdicts = ["bonafide", "spoof", "undecided"] as const;
export type VerdictName = (typeof verdicts)[number];

export const states = ["undecided", "bonafide", "suspect", "spoof"] as const;
export type StateName = (typeof states)[number];

/** Why a window has no verdict. */
export const abstentions = [
  "too_little_speech",
  "no_speech",
  "low_quality",
  "out_of_domain",
  "gap",
  "overload",
] as const;
export type Abstention = (typeof abstentions)[number];

/** Why a channel is `undecided`; `inconclusive` means that it was heard and the evidence points neither way. */
export type StateReason = Abstention | "inconclusive";

/** What a window says; a probability only where there is a verdict. */
export type Verdict =
  | { readonly verdict: "bonafide" | "spoof"; readonly pSpoof: number; readonly reason: null }
  | { readonly verdict: "undecided"; readonly pSpoof: null; readonly reason: Abstention };

/** A channel's state; a probability only where it is decided. */
export type State =
  | { readonly state: "bonafide" | "suspect" | "spoof"; readonly reason: null }
  | { readonly state: "undecided"; readonly reason: StateReason };

export interface WindowSpan {
  readonly startMs: Millis;
  readonly endMs: Millis;
  readonly startSample: Samples;
  readonly endSample: Samples;
}

/** The decayed evidence of a channel so far. */
export interface Rolling {
  readonly llr: number;
  /** `null` until a window had a verdict. */
  readonly pSpoof: number | null;
  readonly speechMs: Millis;
  /** Windows with a verdict. */
  readonly windows: number;
}

export interface ScoreBody {
  readonly type: "score";
  readonly channel: number;
  readonly index: number;
  readonly window: WindowSpan;
  readonly speechMs: Millis;
  /** Finite whenever audio was scored, whatever the verdict; else `null`. */
  readonly llr: number | null;
  readonly pSpoof: number | null;
  readonly verdict: VerdictName;
  readonly reason: Abstention | null;
  readonly provisional: boolean;
  readonly rolling: Rolling;
  readonly quality: {
    readonly bandwidthHz: number;
    readonly clipping: number;
    readonly lossRatio: number;
    readonly codec: string;
  };
  readonly latencyMs: { readonly queue: number; readonly infer: number; readonly total: number };
}

export interface StateBody {
  readonly type: "state";
  readonly channel: number;
  readonly from: StateName;
  readonly to: StateName;
  readonly reason: StateReason | null;
  readonly atMs: Millis;
  readonly atSample: Samples;
}

export interface AlertBody {
  readonly type: "alert";
  readonly channel: number;
  readonly status: "raised" | "cleared";
  readonly atMs: Millis;
  readonly atSample: Samples;
  /** Indexes of the scores behind it. */
  readonly evidence: readonly number[];
}

export interface GapBody {
  readonly type: "gap";
  readonly channel: number;
  readonly startMs: Millis;
  readonly endMs: Millis;
  readonly startSample: Samples;
  readonly endSample: Samples;
  readonly cause: GapCause;
}

export const warningCodes = [
  "draining",
  "near_max_session",
  "uncalibrated_model",
  "slow_reader",
  "client_speech_measure",
] as const;
export type WarningCode = (typeof warningCodes)[number];

export interface WarningBody {
  readonly type: "warning";
  readonly code: WarningCode;
}

export interface ReadyBody {
  readonly type: "ready";
  /** RFC 3339. */
  readonly startedAt: string;
  readonly callId: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly audio: SourceFormat & { readonly channelLabels: readonly string[] };
  readonly model: {
    readonly id: string;
    readonly version: string;
    readonly digest: string;
    readonly calibrationId: string | null;
  };
  readonly detection: DetectionDefaults & { readonly windowMs: number };
  readonly limits: Readonly<Record<string, number>>;
  /** By which the model shuffles the frames of a window, where it does so here and by a seed. */
  readonly seed?: number;
}

export type EndedBy = "close" | "idle" | "limit" | "drain" | "peer_lost" | "fault";

export interface ChannelSummary {
  readonly channel: number;
  readonly state: StateName;
  readonly reason: StateReason | null;
  /** The undecayed, weighted, bounded sum; `null` when nothing was scored. */
  readonly llr: number | null;
  /** `null` exactly when the state is `undecided`. */
  readonly pSpoof: number | null;
  readonly audioMs: Millis;
  readonly speechMs: Millis;
  readonly windows: number;
  readonly scored: number;
  readonly undecided: number;
  readonly shed: number;
  readonly gapMs: Millis;
}

export interface SummaryBody {
  readonly type: "summary";
  readonly endedBy: EndedBy;
  readonly channels: readonly ChannelSummary[];
  /** The model's; `null` when its scores were never calibrated. */
  readonly calibrationId: string | null;
  /** As in {@link ReadyBody}. */
  readonly seed?: number;
}

export interface ErrorBody {
  readonly type: "error";
  readonly code: FaultCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
  readonly inReplyTo?: string;
}

export type EventBody =
  ReadyBody | ScoreBody | StateBody | AlertBody | GapBody | WarningBody | SummaryBody | ErrorBody;

/** An event as it leaves: numbered from 0 within its session. */
export type SessionEvent = EventBody & {
  readonly seq: number;
  readonly sessionId: string;
  readonly tMediaMs: Millis;
};

export const eventKinds = [
  "ready",
  "score",
  "state",
  "alert",
  "gap",
  "warning",
  "summary",
  "error",
] as const satisfies readonly EventBody["type"][];
export type EventKind = (typeof eventKinds)[number];
