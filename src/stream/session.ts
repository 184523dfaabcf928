import { concat, defer, finalize, map, Observable, of, type OperatorFunction } from "rxjs";
import { CodeFrontEnd } from "./code-front-end.ts";
import type { Command, DetectionOverrides, Pace } from "./commands.ts";
import { Fault } from "./errors.ts";
import type { ChannelSummary, EventBody, ScoreBody, State } from "./events.ts";
import { AudioFrontEnd, type FrontEnd, type Item } from "./front-end.ts";
import type {
  AudioFormat,
  CodesFormat,
  Decoder,
  DetectionDefaults,
  Detector,
  DetectorSpec,
  Valve,
} from "./ports.ts";
import { createResampler } from "./resample.ts";
import { type Arrived, scoreInOrder, type Settled } from "./scoring.ts";
import { createSpeechMeter } from "./speech.ts";
import { Tally } from "./tally.ts";
import { convert, type Hertz, type Millis, type Samples, samples, toMillis } from "./units.ts";

/** What a session is fed with: sound, and who decodes it; or codes, of which there is nothing to decode. */
export type Source =
  { readonly format: AudioFormat; readonly decoder: Decoder } | { readonly format: CodesFormat };

export type SessionParts = Source & {
  readonly pace: Pace;
  readonly detector: Detector;
  /** The pack's defaults with the client's overrides applied. */
  readonly detection: DetectionDefaults;
  /** Paused when `file` pace is ahead of the detector. Untouched under `live`. */
  readonly valve: Valve;
  /** A monotonic clock in milliseconds, for latencies only. */
  readonly now: () => number;
};

/** One session's detection, from its first byte to its last verdict. */
export interface Session {
  /**
   * `score`, `state`, `alert` and `gap` events in order; completes when `commands` has completed and every window is
   * answered; errors with a Fault. Cold, subscribed once: nothing runs before, and unsubscribing cancels all of it.
   */
  readonly events: Observable<EventBody>;
  /** Media time so far: the longest channel's samples consumed plus its gaps. */
  tMediaMs(): Millis;
  /** The same as admission counts it: windows that come ready-made count as no less than the shortest hop each. */
  paceMs(): Millis;
  /** Each channel as its summary would read now. */
  channels(): readonly ChannelSummary[];
}

/** The client's wishes over the pack's; what is absent stays. */
export function override(defaults: DetectionDefaults, wishes: DetectionOverrides): DetectionDefaults {
  return { ...defaults, ...wishes, thresholds: { ...defaults.thresholds, ...wishes.thresholds } };
}

/** Throws an `unsupported_audio` Fault for codes where the detector takes none. */
export function createSession(parts: SessionParts, commands: Observable<Command>): Session {
  const { format, now } = parts;
  const frontEnd = createFrontEnd(parts);
  const verdicts = new Verdicts(parts);

  const arrived = (items: readonly Item[]): readonly Arrived[] => {
    if (items.length === 0) return [];
    const at = now();
    return items.map((item) => ({ item, at }));
  };
  const apply = (command: Command): readonly Arrived[] => {
    if (command.type === "update" && command.detection) verdicts.retune(command.detection);
    return arrived(frontEnd.apply(command));
  };
  const events = defer(() =>
    concat(
      commands.pipe(map(apply)),
      defer(() => of(arrived(frontEnd.flush()))),
    ).pipe(
      eachOf(),
      scoreInOrder(parts),
      map((settled) => verdicts.events(settled)),
      eachOf(),
      finalize(() => {
        frontEnd.close();
      }),
    ),
  );
  return {
    events,
    tMediaMs: () => frontEnd.tMediaMs,
    paceMs: () => frontEnd.paceMs,
    channels: () =>
      verdicts.tallies.map((tally, channel) => {
        const { clock, gaps } = frontEnd.audioOf(channel);
        const audioMs = toMillis(clock, format.rate);
        return { channel, ...tally.totals(), audioMs, gapMs: toMillis(gaps, format.rate) };
      }),
  };
}

function createFrontEnd(parts: SessionParts): FrontEnd {
  const { format, detection } = parts;
  const { spec } = parts.detector;
  if (!("decoder" in parts)) return createCodeFrontEnd(parts.format, spec);
  return new AudioFrontEnd({
    decoder: parts.decoder,
    clock: format.rate,
    channels: format.channels,
    spec,
    hopMs: detection.hopMs,
    minSpeechMs: detection.minSpeechMs,
    createResampler,
    createMeter: createSpeechMeter,
  });
}

function createCodeFrontEnd({ encoding, rate }: CodesFormat, spec: DetectorSpec): FrontEnd {
  if (spec.codes !== undefined && spec.rate === rate) return new CodeFrontEnd(spec, spec.codes);
  throw new Fault("unsupported_audio", `audio.encoding: model ${spec.id} takes no ${encoding}`, {
    inReplyTo: "start",
    details: { field: "audio.encoding", value: encoding, model: spec.id },
  });
}

/** Lists → their elements, one by one: at fifty chunks a second and stream, and most lists empty, cheaper than flattening. */
function eachOf<T>(): OperatorFunction<readonly T[], T> {
  return (source) =>
    new Observable((out) =>
      source.subscribe({
        next: (list) => {
          for (const element of list) out.next(element);
        },
        error: (reason: unknown) => {
          out.error(reason);
        },
        complete: () => {
          out.complete();
        },
      }),
    );
}

/** Settled items → what the session says about them. */
class Verdicts {
  readonly tallies: readonly Tally[];
  readonly #clock: Hertz;
  readonly #rate: Hertz;
  readonly #codec: string;
  readonly #now: () => number;
  #detection: DetectionDefaults;

  constructor({ format, detector, detection, now }: SessionParts) {
    const { window, rate } = detector.spec;
    this.tallies = Array.from({ length: format.channels }, () => new Tally(detection, window, rate));
    this.#clock = format.rate;
    this.#rate = rate;
    this.#codec = format.encoding;
    this.#now = now;
    this.#detection = detection;
  }

  retune(wishes: DetectionOverrides): void {
    this.#detection = override(this.#detection, wishes);
    for (const tally of this.tallies) tally.retune(this.#detection);
  }

  events(settled: Settled): readonly EventBody[] {
    switch (settled.kind) {
      case "gap":
        return [
          {
            type: "gap",
            ...this.#times(settled.gap),
            channel: settled.gap.channel,
            cause: settled.gap.cause,
          },
        ];
      case "reset":
        return this.#changing(settled.channel, settled.at, (tally) => {
          tally.reset(settled.start);
          return [];
        });
      case "answered":
        return this.#answered(settled);
      case "missed":
        return this.#missed(settled);
    }
  }

  #answered(settled: Extract<Settled, { kind: "answered" }>): readonly EventBody[] {
    const { window, answer, at } = settled;
    return this.#changing(window.channel, this.#source(window.end), (tally) => {
      const { llr, verdict, rolling } = tally.add(window, answer);
      const { queueMs, inferMs } = answer.kind === "scored" ? answer.score : { queueMs: 0, inferMs: 0 };
      const score: ScoreBody = {
        type: "score",
        channel: window.channel,
        index: window.index,
        window: this.#times({ start: this.#source(window.start), end: this.#source(window.end) }),
        speechMs: toMillis(window.speech, this.#rate),
        llr,
        ...verdict,
        provisional: window.provisional,
        rolling,
        quality: { ...window.quality, codec: this.#codec },
        latencyMs: { queue: tenth(queueMs), infer: tenth(inferMs), total: tenth(this.#now() - at) },
      };
      return [score];
    });
  }

  /** Only what no other window covers is lost: the fresh part. */
  #missed({ window, cause }: Extract<Settled, { kind: "missed" }>): readonly EventBody[] {
    const start = this.#source(samples(window.end - window.fresh));
    const end = this.#source(window.end);
    return this.#changing(window.channel, end, (tally) => {
      tally.miss(cause);
      return [{ type: "gap", channel: window.channel, ...this.#times({ start, end }), cause }];
    });
  }

  /** What happened, and the `state` and `alert` that follow from it. */
  #changing(
    channel: number,
    atSample: Samples,
    happen: (tally: Tally) => readonly EventBody[],
  ): readonly EventBody[] {
    const tally = this.tallies[channel];
    if (tally === undefined) return [];
    const before = tally.state;
    const evidence = tally.evidence;
    const events = happen(tally);
    const after = tally.state;
    if (before.state === after.state) return events;
    const at = { channel, atMs: toMillis(atSample, this.#clock), atSample };
    return [
      ...events,
      { type: "state", from: before.state, to: after.state, reason: after.reason, ...at },
      ...alertBetween(before, after, tally.evidence.length > 0 ? tally.evidence : evidence, at),
    ];
  }

  /** From the detector's timeline to the source's. */
  #source(at: Samples): Samples {
    return convert(at, this.#rate, this.#clock);
  }

  #times({ start, end }: { readonly start: Samples; readonly end: Samples }): ScoreBody["window"] {
    return {
      startMs: toMillis(start, this.#clock),
      endMs: toMillis(end, this.#clock),
      startSample: start,
      endSample: end,
    };
  }
}

/** `spoof` raises an alert; leaving it clears it. */
function alertBetween(
  before: State,
  after: State,
  evidence: readonly number[],
  at: { readonly channel: number; readonly atMs: Millis; readonly atSample: Samples },
): readonly EventBody[] {
  if (after.state === "spoof") return [{ type: "alert", status: "raised", evidence, ...at }];
  if (before.state === "spoof") return [{ type: "alert", status: "cleared", evidence, ...at }];
  return [];
}

const tenth = (ms: number): number => Math.round(ms * 10) / 10;
