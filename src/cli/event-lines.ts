import type { ChannelSummary, ScoreEvent, SessionEvent } from "../../clients/node/events.ts";
import { bar } from "./bar.ts";
import { seconds, share, signed } from "./table.ts";

const barWidth = 24;

/** An event as lines for people: a score with a bar of the rolling probability, the rest in words. */
export function eventLines(event: SessionEvent): readonly string[] {
  switch (event.type) {
    case "ready": {
      const { encoding, sample_rate, channels } = event.audio;
      const { id, version } = event.model;
      return [
        `session ${event.session_id}: ${encoding} ${sample_rate} Hz, ${channels} ch, model ${id} ${version}, ` +
          `every ${event.detection.hop_ms} ms`,
        `   media  ch  ${"P(spoof) so far".padEnd(barWidth + 2)}  p      llr    speech   window`,
      ];
    }
    case "score":
      return [scoreLine(event)];
    case "state":
      return [
        `${head(event.at_ms, event.channel)}  ── ${event.from} → ${withReason(event.to, event.reason)}`,
      ];
    case "alert":
      return [`${head(event.at_ms, event.channel)}  !! alert ${event.status}`];
    case "gap":
      return [
        `${head(event.end_ms, event.channel)}  .. gap of ${event.end_ms - event.start_ms} ms (${event.cause})`,
      ];
    case "warning":
      return [`warning: ${event.code}`];
    case "summary":
      return [`ended by ${event.ended_by}`, ...event.channels.map(summaryLine)];
    case "error":
      return [`error: ${event.code}: ${event.message}`];
  }
}

const head = (ms: number, channel: number): string =>
  `${seconds(ms).padStart(8)}  ${String(channel).padStart(2)}`;

const withReason = (name: string, reason: string | null): string =>
  reason === null ? name : `${name} (${reason})`;

function scoreLine({ window, channel, rolling, llr, verdict, reason }: ScoreEvent): string {
  const facts = [
    share(rolling.p_spoof).padEnd(5),
    signed(llr).padStart(6),
    seconds(rolling.speech_ms).padStart(7),
    withReason(verdict, reason),
  ];
  return `${head(window.end_ms, channel)}  ${bar(rolling.p_spoof, barWidth)}  ${facts.join("  ")}`;
}

function summaryLine({ channel, state, reason, llr, p_spoof, speech_ms, audio_ms }: ChannelSummary): string {
  const facts = [`llr ${signed(llr)}`, `p(spoof) ${share(p_spoof)}`];
  const heard = `${seconds(speech_ms)} of speech in ${seconds(audio_ms)}`;
  return `  channel ${channel}: ${withReason(state, reason).toUpperCase()}  ${facts.join(", ")}, ${heard}`;
}
