import type { State } from "./events.ts";
import type { Thresholds } from "./ports.ts";

/** One window, however strong, is not enough to call a voice machine-made. */
const minSpoofWindows = 2;

/**
 * The hysteresis of a channel's state on its rolling P(spoof). `spoof` is entered from `bonafide` only by way of
 * another state, so no single window crosses from one to the other.
 */
export function nextState(from: State, p: number, windows: number, thresholds: Thresholds): State {
  if (from.state === "spoof" && p >= thresholds.spoofExit) return from;
  if (p >= thresholds.spoof && windows >= minSpoofWindows && from.state !== "bonafide") {
    return { state: "spoof", reason: null };
  }
  if (p >= (wasAccused(from) ? Math.min(thresholds.suspectExit, thresholds.suspect) : thresholds.suspect)) {
    return { state: "suspect", reason: null };
  }
  if (p <= thresholds.bonafide) return { state: "bonafide", reason: null };
  return { state: "undecided", reason: "inconclusive" };
}

const wasAccused = ({ state }: State): boolean => state === "suspect" || state === "spoof";
