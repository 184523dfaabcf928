import type { FaultCode } from "../../stream/errors.ts";

/** Every fault as a WebSocket close code. */
export const closeCodes = {
  bad_message: 4400,
  audio_before_start: 4412,
  unsupported_audio: 4415,
  undecodable_audio: 4422,
  message_too_large: 1009,
  too_fast: 4429,
  slow_reader: 4429,
  start_timeout: 4408,
  idle: 4408,
  session_too_long: 4408,
  unauthenticated: 4401,
  forbidden: 4403,
  unknown_session: 4404,
  unknown_model: 4404,
  duplicate_session: 4409,
  unimplemented: 4415,
  at_capacity: 1013,
  draining: 1012,
  internal: 1011,
} as const satisfies Record<FaultCode, number>;
