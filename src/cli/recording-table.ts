import type { DetectorSpec } from "../stream/ports.ts";
import type { ChannelResult, WindowResult } from "../stream/recording.ts";
import type { Scored } from "./score-file.ts";
import { count, rows, seconds, share, signed } from "./table.ts";
import type { Unread } from "./unread.ts";

/** A recording as people read it: a line for the file, one per channel, one per window. */
export function recordingTable(result: Scored | Unread, { seed }: Pick<DetectorSpec, "seed">): string {
  if ("error" in result)
    return `${result.file}\n  not scored: ${result.error.message} (${result.error.code})\n`;
  const { file, codec, rate, channels, model } = result;
  const facts = [
    codec,
    `${rate} Hz`,
    seconds(result.seconds * 1000),
    count(channels.length, "channel"),
    `model ${model}`,
    ...(seed === undefined ? [] : [`seed ${seed}`]),
  ];
  return [`${file}  (${facts.join(", ")})`, ...channels.map(channelTable), ""].join("\n");
}

/** For a pack that was never calibrated: what its scores are worth, and what helps. */
export const calibrationNote = ({ id, calibrationId }: DetectorSpec): string | undefined =>
  calibrationId === undefined
    ? `model ${id} is not calibrated: its llr ranks recordings, how large it is says little (earwitness calibrate)\n`
    : undefined;

function channelTable(channel: ChannelResult): string {
  const state = channel.reason === null ? channel.state : `${channel.state} (${channel.reason})`;
  const facts = `llr ${signed(channel.llr)}, p(spoof) ${share(channel.pSpoof)}, ${seconds(channel.speechMs)} of speech`;
  const head = `  channel ${channel.channel}: ${state.toUpperCase()}  ${facts}`;
  if (channel.windows.length === 0) return head;
  const table = rows([["seconds", "speech", "llr", "p(spoof)", "verdict"], ...channel.windows.map(toRow)]);
  return [head, ...table.split("\n").map((line) => `    ${line}`)].join("\n");
}

const toRow = (window: WindowResult): readonly string[] => [
  `${atSeconds(window.startMs)} – ${atSeconds(window.endMs)}`,
  seconds(window.speechMs),
  signed(window.llr),
  share(window.pSpoof),
  window.reason === null ? window.verdict : `${window.verdict} (${window.reason})`,
];

const atSeconds = (ms: number): string => (ms / 1000).toFixed(2).padStart(7);
