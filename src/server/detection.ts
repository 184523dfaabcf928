import type { DetectionOverrides } from "../stream/commands.ts";
import { Fault } from "../stream/errors.ts";
import type { DetectionDefaults, Thresholds } from "../stream/ports.ts";
import type { DetectionSettings } from "./config.ts";

/** The pack's recommendations, over them the operator's, over them the client's. Throws a `bad_message` Fault. */
export function detectionInForce(
  pack: DetectionDefaults,
  operator: DetectionSettings,
  client: DetectionOverrides,
): DetectionDefaults {
  const thresholds = { ...pack.thresholds, ...operator.thresholds, ...client.thresholds };
  assertThresholds(thresholds);
  const { hopMs, minSpeechMs, prior } = { ...pack, ...operator, ...client };
  return { ...pack, ...operator, hopMs, minSpeechMs, prior, thresholds };
}

/** Throws a `bad_message` Fault unless the states follow each other. */
export function assertThresholds({ bonafide, suspect, spoof, suspectExit, spoofExit }: Thresholds): void {
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
