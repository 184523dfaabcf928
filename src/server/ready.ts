import type { ReadyBody } from "../stream/events.ts";
import { codesEncoding, type DetectionDefaults, type Detector } from "../stream/ports.ts";
import { toMillis } from "../stream/units.ts";
import type { StartRequest } from "./connection.ts";
import { toWireLimits, type Limits } from "./limits.ts";

interface Agreed {
  readonly request: StartRequest;
  readonly detector: Detector;
  readonly detection: DetectionDefaults;
}

/** What was agreed with a client, as it is told. */
export function toReady(agreed: Agreed, limits: Limits): ReadyBody {
  const { detector, detection, request } = agreed;
  const { id, version, digest, calibrationId, rate, window } = detector.spec;
  return {
    type: "ready",
    startedAt: new Date().toISOString(),
    callId: request.callId ?? null,
    metadata: request.metadata,
    audio: { ...request.audio, channelLabels: request.channelLabels },
    model: { id, version, digest, calibrationId: calibrationId ?? null },
    detection: { windowMs: toMillis(window, rate), ...detection },
    limits: toWireLimits(limits),
    ...seedOf(agreed),
  };
}

/** The client keeps its audio: it sends codes. */
export const isPrivate = ({ audio }: StartRequest): boolean => audio.encoding === codesEncoding;

/** The model's seed; none where the client has shuffled already, by what it alone knows. */
export function seedOf({ request, detector }: Omit<Agreed, "detection">): Pick<ReadyBody, "seed"> {
  const { seed } = detector.spec;
  return seed === undefined || isPrivate(request) ? {} : { seed };
}
