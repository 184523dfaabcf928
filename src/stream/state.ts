import type { State } from "./events.ts";
import type { Thresholds } from "./ports.ts";

/** One window, however strong, is not enough to call a voice machine-made. */
const minSpoofWindows = 2;

/**
 * The hysteresis of a channel's state on its rolling P(spoof). `spoof` is entered from `bonafide` only by way of
 * another state, so no single window crosses from one to the other.
 */
export function nextState(from: State, p: number, windows: number, thresholds: Thresholds): State {
  const { suspect, spoof, bonafide, suspectExit, spoofExit } = thresholds;
  const was = from.state;
  if (was === "spoof" && p >= spoofExit) return from;
  if (p >= spoof && windows >= minSpoofWindows && was !== "bonafide") return { state: "spoof", reason: null };
  if (p >= suspect) return { state: "suspect", reason: null };
  if ((was === "suspect" || was === "spoof") && p >= suspectExit) return { state: "suspect", reason: null };
  if (p <= bonafide) return { state: "bonafide", reason: null };
  return { state: "undecided", reason: "inconclusive" };
}
