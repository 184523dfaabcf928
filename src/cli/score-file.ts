import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { readAudioFrom } from "../codec/read-audio.ts";
import type { DetectionDefaults, Detector } from "../stream/ports.ts";
import { detectRecording, type ChannelResult } from "../stream/recording.ts";
import { toUnread, type Unread } from "./unread.ts";

/** A recording with its verdicts. */
export interface Scored {
  readonly file: string;
  readonly model: string;
  readonly codec: string;
  /** Hz. */
  readonly rate: number;
  readonly seconds: number;
  readonly channels: readonly ChannelResult[];
}

/** As long as a session may be: a recording's samples are held in memory, 4 bytes each. */
const maxSeconds = 4 * 3600;
/** Of larger files only one is held at a time. */
const largeBytes = 16 << 20;

/** Scores one file at a time for each caller; large ones wait for each other. Rejects for bugs alone. */
export function createScorer(
  detector: Detector,
  detection: DetectionDefaults,
): (file: string) => Promise<Scored | Unread> {
  let large: Promise<unknown> = Promise.resolve();
  return async (file) => {
    try {
      const isLarge = (await stat(file)).size > largeBytes;
      if (!isLarge) return await score(file, detector, detection);
      const turn = large.then(() => score(file, detector, detection));
      large = turn.catch(() => undefined);
      return await turn;
    } catch (reason) {
      return toUnread(file, reason);
    }
  };
}

async function score(file: string, detector: Detector, detection: DetectionDefaults): Promise<Scored> {
  const audio = await readAudioFrom(createReadStream(file, { highWaterMark: 1 << 16 }), { maxSeconds });
  return {
    file,
    model: detector.spec.id,
    codec: audio.codec,
    rate: audio.rate,
    seconds: (audio.channels[0]?.length ?? 0) / audio.rate,
    channels: await detectRecording(audio, detector, detection),
  };
}
