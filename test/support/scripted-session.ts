import { Observable, Subject } from "rxjs";
import type { Command } from "../../src/stream/commands.ts";
import type { ChannelSummary, EventBody, ScoreBody, StateBody } from "../../src/stream/events.ts";
import type { Session, SessionParts } from "../../src/stream/session.ts";
import { millis, samples } from "../../src/stream/units.ts";

/** A session that says what the test tells it to. */
export class ScriptedSession implements Session {
  readonly parts: SessionParts;
  readonly said = new Subject<EventBody>();
  readonly heard: Command[] = [];
  readonly events: Observable<EventBody>;
  running = false;

  constructor(parts: SessionParts, commands: Observable<Command>) {
    this.parts = parts;
    this.events = new Observable((subscriber) => {
      this.running = true;
      subscriber.add(this.said.subscribe(subscriber));
      subscriber.add(
        commands.subscribe({
          next: (command) => void this.heard.push(command),
          complete: () => {
            subscriber.complete();
          },
        }),
      );
      return () => {
        this.running = false;
        if ("decoder" in parts) parts.decoder.close();
      };
    });
  }

  tMediaMs = () => millis(0);
  paceMs = () => millis(0);
  channels = (): readonly ChannelSummary[] =>
    Array.from({ length: this.parts.format.channels }, (_, channel) => ({
      ...{ channel, state: "undecided", reason: "too_little_speech", llr: null, pSpoof: null },
      ...{ audioMs: millis(0), speechMs: millis(0), gapMs: millis(0) },
      ...{ windows: 0, scored: 0, undecided: 0, shed: 0 },
    }));
}

/** For a host: every session it makes is in `sessions`. */
export function scripted() {
  const sessions: ScriptedSession[] = [];
  return {
    sessions,
    createSession: (parts: SessionParts, commands: Observable<Command>): Session => {
      const session = new ScriptedSession(parts, commands);
      sessions.push(session);
      return session;
    },
  };
}

export function scoreOf(index: number, channel = 0): ScoreBody {
  return {
    ...{ type: "score", channel, index, speechMs: millis(4000), llr: 1, provisional: false },
    ...{ pSpoof: 0.7, verdict: "spoof", reason: null },
    window: {
      startMs: millis(index * 1000),
      endMs: millis(4000 + index * 1000),
      startSample: samples(index * 16_000),
      endSample: samples(64_000 + index * 16_000),
    },
    rolling: { llr: 1, pSpoof: 0.7, speechMs: millis(4000), windows: 1 },
    quality: { bandwidthHz: 8000, clipping: 0, lossRatio: 0, codec: "pcm_s16le" },
    latencyMs: { queue: 0, infer: 1, total: 2 },
  };
}

export function stateOf(to: "suspect" | "spoof" | "bonafide", channel = 0): StateBody {
  return {
    ...{ type: "state", channel, from: "undecided", to, reason: null },
    ...{ atMs: millis(4000), atSample: samples(64_000) },
  };
}
