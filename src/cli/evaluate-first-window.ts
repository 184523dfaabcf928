import { resampleTrack } from "../stream/resample-track.ts";
import type { Detector, DetectorSpec, Window } from "../stream/ports.ts";
import { hertz, samples } from "../stream/units.ts";
import type { Mono } from "./evaluate-conditions.ts";

/**
 * The detector's LLR of a recording's first window, padded by the pack's rule where it is shorter: what the published
 * evaluations of AASIST score. Nobody asks whether anyone speaks in it, and the LLR is not bounded. Null without audio.
 */
export async function scoreFirstWindow(audio: Mono, detector: Detector): Promise<number | null> {
  const { spec } = detector;
  const sound = beginning(audio, spec);
  if (sound.length === 0) return null;
  const score = await detector.score(toWindow(sound, spec), new AbortController().signal);
  return score.llr;
}

/** At most a window of it, at the detector's rate, holes silent. */
function beginning({ rate, samples: sound }: Mono, spec: DetectorSpec): Float32Array {
  return resampleTrack(sound, hertz(rate), spec.rate).subarray(0, spec.window);
}

function toWindow(sound: Float32Array, spec: DetectorSpec): Window {
  const padded = new Float32Array(spec.window);
  const end = spec.pad === "tile" ? spec.window : sound.length;
  for (let at = 0; at < end; at += sound.length) padded.set(sound.subarray(0, spec.window - at), at);
  const length = samples(sound.length);
  return {
    channel: 0,
    index: 0,
    start: samples(0),
    end: length,
    provisional: sound.length < spec.window,
    fresh: length,
    speech: length,
    freshSpeech: length,
    quality: { bandwidthHz: spec.rate / 2, clipping: 0, lossRatio: 0 },
    samples: padded,
  };
}
