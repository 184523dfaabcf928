import { createReadStream } from "node:fs";
import { readAudioFrom, type WholeAudio } from "../codec/read-audio.ts";
import { tooLong, type Logits, type WholeScorer } from "../models/whole/whole-scorer.ts";
import { Fault } from "../stream/errors.ts";
import { resampleTrack } from "../stream/resample-track.ts";
import type { Hertz } from "../stream/units.ts";
import { toUnread, type Unread } from "./unread.ts";

/** What a detector answers a recording with. */
export interface ScoredWhole {
  readonly file: string;
  readonly logits: Logits;
}

/** Never a recording's fault: how far its blocks' lengths, added up, may miss their sum. */
const roundingSeconds = 1e-6;

/** Scores one file for each caller, of one channel. Rejects for bugs alone. */
export const createWholeFileScorer =
  (scorer: WholeScorer) =>
  async (file: string): Promise<ScoredWhole | Unread> => {
    try {
      const samples = toMono(await read(file, scorer.longestSeconds), scorer.rate);
      return { file, logits: await scorer.score(samples) };
    } catch (reason) {
      return toUnread(file, reason);
    }
  };

async function read(file: string, longestSeconds: number): Promise<WholeAudio> {
  try {
    const source = createReadStream(file, { highWaterMark: 1 << 16 });
    return await readAudioFrom(source, { maxSeconds: longestSeconds + roundingSeconds });
  } catch (reason) {
    throw reason instanceof Fault && reason.code === "message_too_large" ? tooLong(longestSeconds) : reason;
  }
}

/** A recording's only channel; holes become silence. */
function toMono({ channels, rate }: WholeAudio, to: Hertz): Float32Array {
  const [only, ...others] = channels;
  if (only === undefined || others.length > 0) {
    throw new Fault(
      "unsupported_audio",
      `${channels.length} channels, where SafeEar's script takes one; --json judges each by itself`,
    );
  }
  return resampleTrack(only, rate, to);
}
