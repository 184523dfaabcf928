import type { DetectOutcome, ServedModel, SessionSnapshot } from "../host-port.ts";
import { toWireAudio } from "../wire-json.ts";

/*
 * Answers in camelCase, to be written in snake_case.
 */

/** A session as `GET /v1/sessions/{id}` gives it: `ready` without what is the server's, and how it stands. */
export function toSessionView(snapshot: SessionSnapshot) {
  const { sessionId, transport, tMediaMs, ready, channels, summary } = snapshot;
  return {
    sessionId,
    callId: ready.callId,
    startedAt: ready.startedAt,
    transport,
    tMediaMs,
    ended: summary !== undefined,
    endedBy: summary?.endedBy ?? null,
    metadata: ready.metadata,
    audio: toWireAudio(ready.audio),
    model: ready.model,
    detection: ready.detection,
    channels,
  };
}

export function toModelView(model: ServedModel) {
  const { isDefault, ...rest } = model;
  return { ...rest, default: isDefault };
}

/** As `detect --json` prints it, without a file. */
export function toDetectView({ model, channels, seed }: DetectOutcome) {
  return { model, ...(seed === undefined ? {} : { seed }), channels };
}
