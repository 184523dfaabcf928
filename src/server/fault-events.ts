import { Fault } from "../stream/errors.ts";
import type { ErrorBody, SessionEvent } from "../stream/events.ts";
import { millis } from "../stream/units.ts";
import type { EventSink } from "./connection.ts";

export const slowReader = (limit: number): Fault =>
  new Fault("slow_reader", "events are not being read", { details: { limit_bytes: limit } });

/** A fault as an event; it tells the client nothing of its cause. */
export function toErrorBody(fault: Fault): ErrorBody {
  return {
    type: "error",
    code: fault.code,
    message: fault.message,
    retryable: fault.retryable,
    ...(fault.retryAfterMs === undefined ? {} : { retryAfterMs: fault.retryAfterMs }),
    ...(fault.details === undefined ? {} : { details: fault.details }),
    ...(fault.inReplyTo === undefined ? {} : { inReplyTo: fault.inReplyTo }),
  };
}

/** The `error` for a connection that has no session. */
export function toLoneError(fault: Fault, sessionId = ""): SessionEvent {
  return { ...toErrorBody(fault), seq: 0, sessionId, tMediaMs: millis(0) };
}

/** Tells a watcher that never got a session why, and closes it. */
export function refuseWatcher(sink: EventSink, reason: unknown): void {
  const fault = Fault.from(reason);
  sink.send(toLoneError(fault));
  sink.close(fault);
}
