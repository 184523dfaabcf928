/**
 * Every way a session, or a request for one, can fail, and whether the same request may succeed later.
 * Wire codes belong to the transports, each of which maps this list completely.
 */
export const faults = {
  bad_message: { retryable: false },
  audio_before_start: { retryable: false },
  unsupported_audio: { retryable: false },
  undecodable_audio: { retryable: false },
  message_too_large: { retryable: false },
  too_fast: { retryable: true },
  slow_reader: { retryable: true },
  start_timeout: { retryable: true },
  idle: { retryable: true },
  session_too_long: { retryable: true },
  unauthenticated: { retryable: false },
  forbidden: { retryable: false },
  unknown_session: { retryable: false },
  unknown_model: { retryable: false },
  duplicate_session: { retryable: false },
  unimplemented: { retryable: false },
  at_capacity: { retryable: true },
  draining: { retryable: true },
  internal: { retryable: true },
} as const satisfies Record<string, { readonly retryable: boolean }>;

export type FaultCode = keyof typeof faults;

/** The whole list, in the order of the table. */
export const faultCodes = Object.keys(faults).filter((code): code is FaultCode => code in faults);

export interface FaultOptions extends ErrorOptions {
  /** When a retry is worth trying, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Facts a program can read: the field at fault, the limit that was reached. Never audio. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
  /** The `type` of the client's message that it answers. */
  readonly inReplyTo?: string;
}

/** A failure we chose to name. Anything else that reaches an edge is a bug and becomes `internal`. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly inReplyTo: string | undefined;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
    this.inReplyTo = options.inReplyTo;
  }

  get retryable(): boolean {
    return faults[this.code].retryable;
  }

  /** Turns anything thrown into a fault; what is not one keeps its text in `cause`, for the log alone. */
  static from(reason: unknown): Fault {
    return reason instanceof Fault ? reason : new Fault("internal", "internal error", { cause: reason });
  }
}
