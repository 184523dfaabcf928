/** Why a session or a request failed: the server's own names, and three that only a client can see. */
export type ErrorCode =
  | "bad_message"
  | "audio_before_start"
  | "unsupported_audio"
  | "undecodable_audio"
  | "message_too_large"
  | "too_fast"
  | "slow_reader"
  | "start_timeout"
  | "idle"
  | "session_too_long"
  | "unauthenticated"
  | "forbidden"
  | "unknown_session"
  | "unknown_model"
  | "duplicate_session"
  | "unimplemented"
  | "at_capacity"
  | "draining"
  | "internal"
  /** Nobody answers at this address. */
  | "connection_failed"
  /** The connection broke without a word. */
  | "connection_lost"
  /** We gave up ourselves: `abort()`, a signal. */
  | "cancelled";

/** A failure as the server reports it; the same on both transports. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retry_after_ms?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly in_reply_to?: string;
}

export class EarwitnessError extends Error {
  override readonly name = "EarwitnessError";
  /** A code of {@link ErrorCode}, or a new one of a later server. */
  readonly code: ErrorCode | (string & {});
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** When that is worth trying, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** The `type` of the message that it answers. */
  readonly inReplyTo: string | undefined;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.code = failure.code;
    this.retryable = failure.retryable;
    this.retryAfterMs = failure.retry_after_ms;
    this.details = failure.details;
    this.inReplyTo = failure.in_reply_to;
  }
}

/** A failure of the connection itself; trying again may help. */
export const connectionError = (
  code: "connection_failed" | "connection_lost",
  message: string,
  cause?: unknown,
): EarwitnessError => new EarwitnessError({ code, message, retryable: true }, { cause });

export const cancelledError = (cause?: unknown): EarwitnessError =>
  new EarwitnessError({ code: "cancelled", message: "cancelled", retryable: false }, { cause });
