import type { FaultCode } from "../../stream/errors.ts";

/** Every fault as an HTTP status; `slow_reader` cannot happen to a request, and has the one it would have. */
export const httpStatuses = {
  bad_message: 400,
  audio_before_start: 409,
  unsupported_audio: 415,
  undecodable_audio: 422,
  message_too_large: 413,
  too_fast: 429,
  slow_reader: 429,
  start_timeout: 408,
  idle: 408,
  session_too_long: 408,
  unauthenticated: 401,
  forbidden: 403,
  unknown_session: 404,
  unknown_model: 404,
  duplicate_session: 409,
  unimplemented: 501,
  at_capacity: 503,
  draining: 503,
  internal: 500,
} as const satisfies Record<FaultCode, number>;
