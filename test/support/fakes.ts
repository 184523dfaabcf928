import type {
  DetectionDefaults,
  Detector,
  DetectorSpec,
  Resampler,
  Score,
  SpeechMeter,
  Window,
} from "../../src/stream/ports.ts";
import { hertz, samples } from "../../src/stream/units.ts";

export const detection: DetectionDefaults = {
  hopMs: 1000,
  minSpeechMs: 2000,
  prior: 0.5,
  llrBound: 4,
  halfLifeS: 20,
  thresholds: { suspect: 0.8, spoof: 0.95, bonafide: 0.2, suspectExit: 0.5, spoofExit: 0.8 },
};

/** A detector's shape with a window of four seconds, unless said otherwise. */
export function fakeSpec(overrides: Partial<DetectorSpec> = {}): DetectorSpec {
  return {
    id: "fake",
    version: "1.0.0",
    digest: "0".repeat(64),
    calibrationId: "fake-calibration",
    rate: hertz(16_000),
    window: samples(64_000),
    pad: "zeros",
    detection,
    ...overrides,
  };
}

/** Answers each window by `llrOf`, at once. */
export function fakeDetector(
  llrOf: (window: Window) => number | Promise<number>,
  spec: DetectorSpec = fakeSpec(),
): Detector & { readonly seen: Window[] } {
  const seen: Window[] = [];
  return {
    spec,
    seen,
    async score(window): Promise<Score> {
      seen.push(window);
      return { llr: await llrOf(window), queueMs: 0, inferMs: 1 };
    },
    close: () => Promise.resolve(),
  };
}

/** Passes samples through. */
export const passThrough = (): Resampler => ({
  push: (block) => block.slice(),
  flush: () => new Float32Array(0),
});

/** Counts every sample that is not zero as speech. */
export function nonZeroMeter(): SpeechMeter {
  const heard: number[] = [];
  return {
    push(block) {
      for (const x of block) heard.push(x === 0 ? 0 : 1);
    },
    skip(length) {
      for (let i = 0; i < length; i++) heard.push(0);
    },
    speech(start, end) {
      let n = 0;
      for (let i = start; i < end; i++) n += heard[i] ?? 0;
      return n;
    },
  };
}
