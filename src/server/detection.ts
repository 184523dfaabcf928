import type { DetectionOverrides } from "../stream/commands.ts";
import { Fault } from "../stream/errors.ts";
import type { DetectionDefaults, DetectorSpec, Thresholds } from "../stream/ports.ts";
import { toMillis } from "../stream/units.ts";
import type { DetectionSettings } from "./config.ts";

/** The pack's recommendations, over them the operator's, over them the client's. Throws a `bad_message` Fault. */
export function detectionInForce(
  spec: DetectorSpec,
  operator: DetectionSettings,
  client: DetectionOverrides,
): DetectionDefaults {
  const pack = spec.detection;
  const thresholds = { ...pack.thresholds, ...operator.thresholds, ...client.thresholds };
  const { hopMs, minSpeechMs, prior } = { ...pack, ...operator, ...client };
  const detection = { ...pack, ...operator, hopMs, minSpeechMs, prior, thresholds };
  assertDetection(detection, spec);
  return detection;
}

/** Throws a `bad_message` Fault for settings that contradict each other, or that no window of the model can meet. */
export function assertDetection({ thresholds, minSpeechMs }: DetectionDefaults, spec: DetectorSpec): void {
  assertThresholds(thresholds);
  const windowMs = toMillis(spec.window, spec.rate);
  if (minSpeechMs <= windowMs) return;
  throw new Fault("bad_message", `detection.min_speech_ms: more than a window, which has ${windowMs} ms`, {
    details: { field: "detection.min_speech_ms" },
  });
}

/** Unless the states follow each other. */
function assertThresholds({ bonafide, suspect, spoof, suspectExit, spoofExit }: Thresholds): void {
  const rising = bonafide < suspect && suspect <= spoof;
  const leaving =
    bonafide <= suspectExit && suspectExit <= suspect && suspectExit <= spoofExit && spoofExit <= spoof;
  if (rising && leaving) return;
  throw new Fault(
    "bad_message",
    "detection.thresholds: must rise, bonafide < suspect <= spoof, with each exit between bonafide and its entry",
    { details: { field: "detection.thresholds" } },
  );
}
