import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { readAudioFrom, type WholeAudio } from "../codec/read-audio.ts";
import { Fault } from "../stream/errors.ts";
import { WindowLost, type DetectionDefaults, type Detector } from "../stream/ports.ts";
import { detectRecording, type ChannelResult } from "../stream/recording.ts";
import type { Condition, Mono } from "./evaluate-conditions.ts";
import { scoreFirstWindow } from "./evaluate-first-window.ts";

const maxSeconds = 4 * 3600;
const endings = ["", ".flac", ".wav"] as const;

/** What of a recording is scored: all of it, as `detect` does, or its first window alone. */
export type ScoredPart = "recording" | "first-window";

/** What came of a trial: its judgement, or why there is none. */
export type Judged =
  { readonly result: Pick<ChannelResult, "llr" | "windows"> } | { readonly problem: string };

/** Scores one trial at a time for each caller. Rejects for bugs alone. */
export type TrialScorer = (id: string, condition: Condition) => Promise<Judged>;

/**
 * Scores recordings that lie under `folder` or its subfolder `flac`, with or without `.flac` or `.wav` after their
 * name. One trial is one voice: two channels are mixed down. A trial of which a window was lost is not scored.
 */
export function createTrialScorer(
  folder: string,
  detector: Detector,
  detection: DetectionDefaults,
  part: ScoredPart = "recording",
): TrialScorer {
  return async (id, condition) => {
    try {
      const path = await find(folder, id);
      if (path === undefined) return { problem: "no such file" };
      const stream = createReadStream(path, { highWaterMark: 1 << 16 });
      const audio = await condition.pass(toMono(await readAudioFrom(stream, { maxSeconds })));
      if (part === "recording") return await judge(audio, detector, detection);
      return { result: { llr: await scoreFirstWindow(audio, detector), windows: [] } };
    } catch (reason) {
      if (reason instanceof WindowLost) return toProblem(reason.message);
      const isForeseen = reason instanceof Fault || (reason instanceof Error && "syscall" in reason);
      if (!isForeseen) throw reason;
      return { problem: reason.message };
    }
  };
}

async function find(folder: string, id: string): Promise<string | undefined> {
  for (const parent of [folder, join(folder, "flac")]) {
    for (const ending of endings) {
      const path = join(parent, id + ending);
      if (await isFile(path)) return path;
    }
  }
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Holes become silence: a codec has no other word for them. */
function toMono({ rate, channels }: WholeAudio): Mono {
  const [left = new Float32Array(0), right] = channels;
  const samples = new Float32Array(left.length);
  for (let i = 0; i < samples.length; i++) {
    const x = right === undefined ? (left[i] ?? 0) : ((left[i] ?? 0) + (right[i] ?? 0)) / 2;
    samples[i] = Number.isNaN(x) ? 0 : x;
  }
  return { rate, samples };
}

const toProblem = (lost: string): Judged => ({ problem: `a window was lost: ${lost}` });

async function judge(audio: Mono, detector: Detector, detection: DetectionDefaults): Promise<Judged> {
  const watched = new WatchedDetector(detector);
  const [result] = await detectRecording({ rate: audio.rate, channels: [audio.samples] }, watched, detection);
  if (watched.lost !== undefined) return toProblem(watched.lost);
  return result === undefined ? { problem: "there is no audio in it" } : { result };
}

/** Remembers whether a window got no answer: a score without it would be that of another recording. */
class WatchedDetector implements Detector {
  lost: string | undefined;
  readonly #detector: Detector;

  constructor(detector: Detector) {
    this.#detector = detector;
  }

  get spec(): Detector["spec"] {
    return this.#detector.spec;
  }

  async score(...args: Parameters<Detector["score"]>): ReturnType<Detector["score"]> {
    try {
      return await this.#detector.score(...args);
    } catch (reason) {
      if (reason instanceof WindowLost) this.lost = reason.message;
      throw reason;
    }
  }

  /** It is another's to close. */
  async close(): Promise<void> {
    await Promise.resolve();
  }
}
