import type { Window } from "../../src/stream/ports.ts";
import { samples } from "../../src/stream/units.ts";

/** A window of constant or given sound, as a detector sees it; where it lies on the timeline does not matter. */
export function windowOf(sound: number | Float32Array, length = 1600): Window {
  const audio = typeof sound === "number" ? new Float32Array(length).fill(sound) : sound;
  return {
    channel: 0,
    index: 0,
    start: samples(0),
    end: samples(audio.length),
    provisional: false,
    fresh: samples(audio.length),
    speech: samples(audio.length),
    freshSpeech: samples(audio.length),
    quality: { bandwidthHz: 8000, clipping: 0, lossRatio: 0 },
    samples: audio,
  };
}
