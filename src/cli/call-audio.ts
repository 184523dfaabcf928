import { createReadStream } from "node:fs";
import { readAudioFrom, type WholeAudio } from "../codec/read-audio.ts";
import { joinBlocks } from "../stream/join.ts";
import { resampleTrack } from "../stream/resample-track.ts";
import { hertz } from "../stream/units.ts";
import { Refusal } from "./refusal.ts";

/** What is played into a call: one array per channel, of equal length, at `rate` Hz. */
export interface CallAudio {
  readonly rate: number;
  /** One or two. */
  readonly channels: readonly Float32Array[];
}

const maxSeconds = 4 * 3600;

/**
 * Reads one file, or two as the two sides of one call, at the rate that `rateFor` makes of the first one's. Stereo is
 * mixed down or mono doubled where `channelCount` asks for it. Throws {@link Refusal} and Faults.
 */
export async function readCallAudio(
  files: readonly string[],
  rateFor: (rate: number) => number,
  channelCount?: 1 | 2,
): Promise<CallAudio> {
  if (files.length > 2) throw new Refusal("a call has two channels: name one file or two");
  if (files.length === 2 && channelCount === 1) throw new Refusal("two files make two channels");
  const read = await Promise.all(
    files.map((file) => readAudioFrom(createReadStream(file, { highWaterMark: 1 << 16 }), { maxSeconds })),
  );
  const rate = rateFor(read[0]?.rate ?? 16_000);
  const channels = files.length === 2 ? read.map(mixed) : spread(read[0]?.channels ?? [], channelCount);
  const tracks = channels.map((track, i) =>
    resampleTrack(track, hertz((read[i] ?? read[0])?.rate ?? rate), hertz(rate)),
  );
  return { rate, channels: sameLength(tracks) };
}

function spread(tracks: readonly Float32Array[], channels = tracks.length): readonly Float32Array[] {
  const [first] = tracks;
  if (channels === tracks.length || first === undefined) return tracks;
  return channels === 1 ? [mixed({ channels: tracks })] : [first, first];
}

function mixed({ channels }: Pick<WholeAudio, "channels">): Float32Array {
  const [left = new Float32Array(0), right] = channels;
  return right === undefined ? left : left.map((x, i) => (x + (right[i] ?? 0)) / 2);
}

function sameLength(tracks: readonly Float32Array[]): readonly Float32Array[] {
  const length = Math.max(...tracks.map((track) => track.length));
  return tracks.map((track) =>
    track.length === length ? track : joinBlocks([track, new Float32Array(length - track.length)]),
  );
}
