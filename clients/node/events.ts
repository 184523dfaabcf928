/*
 * What a server says, field for field as it is on the wire: JSON over WebSocket, and the same names over gRPC.
 * Times are milliseconds on the media timeline, and each has a `…_sample` twin at the source's clock.
 */

export type Verdict = "bonafide" | "spoof" | "undecided";
export type ChannelState = "undecided" | "bonafide" | "suspect" | "spoof";

/** Why a window has no verdict. */
export type Abstention =
  "too_little_speech" | "no_speech" | "low_quality" | "out_of_domain" | "gap" | "overload";
/** Why a channel is undecided. */
export type StateReason = Abstention | "inconclusive";

export type Encoding = "pcm_s16le" | "pcm_f32le" | "pcm_mulaw" | "pcm_alaw" | "opus";
/** What a session is fed with: sound, or the codes that an edge made of it. */
export type SourceEncoding = Encoding | "safeear_codes";
export type Framing = "raw" | "packet" | "sequenced";
export type Pace = "live" | "file";

export interface Thresholds {
  readonly suspect: number;
  readonly spoof: number;
  readonly bonafide: number;
  readonly suspect_exit: number;
  readonly spoof_exit: number;
}

/** What every event carries; `seq` counts from 0 within a session, separately for each reader. */
export interface EventHead {
  readonly seq: number;
  readonly session_id: string;
  readonly t_media_ms: number;
}

export interface AudioInForce {
  readonly encoding: SourceEncoding;
  readonly sample_rate: number;
  readonly channels: number;
  readonly channel_labels: readonly string[];
  readonly framing: Framing;
}

export interface Model {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
  readonly calibration_id: string | null;
}

export interface DetectionInForce {
  readonly window_ms: number;
  readonly hop_ms: number;
  readonly min_speech_ms: number;
  readonly prior: number;
  readonly llr_bound: number;
  readonly half_life_s: number;
  readonly thresholds: Thresholds;
}

export interface ReadyEvent extends EventHead {
  readonly type: "ready";
  readonly started_at: string;
  readonly call_id: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly audio: AudioInForce;
  readonly model: Model;
  readonly detection: DetectionInForce;
  readonly limits: Readonly<Record<string, number>>;
  /** By which the model shuffles the frames of a window, where it does so by one. */
  readonly seed?: number;
}

export interface Span {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly start_sample: number;
  readonly end_sample: number;
}

export interface ScoreEvent extends EventHead {
  readonly type: "score";
  readonly channel: number;
  readonly index: number;
  readonly window: Span;
  readonly speech_ms: number;
  readonly llr: number | null;
  readonly p_spoof: number | null;
  readonly verdict: Verdict;
  readonly reason: Abstention | null;
  readonly provisional: boolean;
  readonly rolling: {
    readonly llr: number;
    readonly p_spoof: number | null;
    readonly speech_ms: number;
    readonly windows: number;
  };
  readonly quality: {
    readonly bandwidth_hz: number;
    readonly clipping: number;
    readonly loss_ratio: number;
    readonly codec: string;
  };
  readonly latency_ms: { readonly queue: number; readonly infer: number; readonly total: number };
}

export interface StateEvent extends EventHead {
  readonly type: "state";
  readonly channel: number;
  readonly from: ChannelState;
  readonly to: ChannelState;
  readonly reason: StateReason | null;
  readonly at_ms: number;
  readonly at_sample: number;
}

export interface AlertEvent extends EventHead {
  readonly type: "alert";
  readonly channel: number;
  readonly status: "raised" | "cleared";
  readonly at_ms: number;
  readonly at_sample: number;
  readonly evidence: readonly number[];
}

export interface GapEvent extends EventHead, Span {
  readonly type: "gap";
  readonly channel: number;
  readonly cause:
    "loss" | "dtx" | "discarded" | "paused" | "shed" | "undecodable" | "worker_lost" | "client_declared";
}

export interface WarningEvent extends EventHead {
  readonly type: "warning";
  readonly code:
    "draining" | "near_max_session" | "uncalibrated_model" | "slow_reader" | "client_speech_measure";
}

export interface ChannelSummary {
  readonly channel: number;
  readonly state: ChannelState;
  readonly reason: StateReason | null;
  readonly llr: number | null;
  readonly p_spoof: number | null;
  readonly audio_ms: number;
  readonly speech_ms: number;
  readonly windows: number;
  readonly scored: number;
  readonly undecided: number;
  readonly shed: number;
  readonly gap_ms: number;
}

export type EndedBy = "close" | "idle" | "limit" | "drain" | "peer_lost" | "fault";

export interface SummaryEvent extends EventHead {
  readonly type: "summary";
  readonly ended_by: EndedBy;
  readonly channels: readonly ChannelSummary[];
  /** `null` when the model's scores were never calibrated. */
  readonly calibration_id: string | null;
  /** As in `ready`. */
  readonly seed?: number;
}

export interface ErrorEvent extends EventHead {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retry_after_ms?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly in_reply_to?: string;
}

/** Told apart by `type`. A later server may send types that this list does not have: ignore them. */
export type SessionEvent =
  ReadyEvent | ScoreEvent | StateEvent | AlertEvent | GapEvent | WarningEvent | SummaryEvent | ErrorEvent;

export type EventKind = SessionEvent["type"];
export type EventOf<Kind extends EventKind> = Extract<SessionEvent, { readonly type: Kind }>;

/** A running session, or one that ended within the last minute. */
export interface SessionView {
  readonly session_id: string;
  readonly call_id: string | null;
  readonly started_at: string;
  readonly transport: "websocket" | "grpc";
  readonly t_media_ms: number;
  readonly ended: boolean;
  readonly ended_by: EndedBy | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly audio: AudioInForce;
  readonly model: Model;
  readonly detection: DetectionInForce;
  readonly channels: readonly ChannelSummary[];
}

export interface ServedModel extends Model {
  readonly family: string;
  readonly licence: string;
  readonly sample_rate: number;
  readonly window_ms: number;
  readonly provider: string;
  readonly default: boolean;
}

export interface WindowResult {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly speech_ms: number;
  readonly llr: number | null;
  readonly p_spoof: number | null;
  readonly verdict: Verdict;
  readonly reason: Abstention | null;
}

export interface ChannelResult {
  readonly channel: number;
  readonly state: ChannelState;
  readonly reason: StateReason | null;
  readonly llr: number | null;
  readonly p_spoof: number | null;
  readonly speech_ms: number;
  readonly windows: readonly WindowResult[];
}

/** What was found in a recording. */
export interface DetectResult {
  readonly model: string;
  readonly channels: readonly ChannelResult[];
  /** As in `ready`. */
  readonly seed?: number;
}
