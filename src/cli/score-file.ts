import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { readAudioFrom } from "../codec/read-audio.ts";
import { Fault } from "../stream/errors.ts";
import type { DetectionDefaults, Detector } from "../stream/ports.ts";
import { detectRecording, type ChannelResult } from "../stream/recording.ts";

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

/** A recording that could not be scored, and why. */
export interface Unread {
  readonly file: string;
  readonly error: Fault;
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
      return { file, error: toFault(reason) };
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

/** What the file system refuses is a fault of the request; anything else that is not one is a bug. */
function toFault(reason: unknown): Fault {
  if (reason instanceof Fault) return reason;
  if (reason instanceof Error && "syscall" in reason) {
    return new Fault("undecodable_audio", reason.message, { cause: reason });
  }
  throw reason;
}
