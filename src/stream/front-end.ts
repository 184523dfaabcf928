import { Channel, type Found } from "./channel.ts";
import type { Command } from "./commands.ts";
import type { Decoder, DetectorSpec, Piece, Resampler, SpeechMeter } from "./ports.ts";
import {
  convert,
  type Hertz,
  type Millis,
  millis,
  type Samples,
  samples,
  toMillis,
  toSamples,
} from "./units.ts";

/** What commands turn into: windows and gaps of the timelines, and the points where a channel's evidence starts anew. */
export type Item =
  | Found
  | {
      readonly kind: "reset";
      readonly channel: number;
      /** Where the new speaker begins: at the source's clock, and at the detector's rate. */
      readonly at: Samples;
      readonly start: Samples;
    };

/** Commands in, items out, synchronously: what lies between a session's messages and its windows. */
export interface FrontEnd {
  /** Media time so far: the channel that is furthest. */
  readonly tMediaMs: Millis;
  /** Media time as admission counts it. */
  readonly paceMs: Millis;
  /** A channel's timeline so far and the gaps in it, at the source's clock. */
  audioOf(channel: number): { readonly clock: Samples; readonly gaps: Samples };
  /** Throws Faults for messages that it cannot take. */
  apply(command: Command): readonly Item[];
  /** Ends the timelines. */
  flush(): readonly Item[];
  /** Idempotent. */
  close(): void;
}

export interface AudioFrontEndParts {
  readonly decoder: Decoder;
  readonly clock: Hertz;
  readonly channels: 1 | 2;
  readonly spec: DetectorSpec;
  readonly hopMs: number;
  readonly minSpeechMs: number;
  readonly createResampler: (from: Hertz, to: Hertz) => Resampler;
  readonly createMeter: () => SpeechMeter;
}

/** decode → resample → measure → window for every channel of a session. */
export class AudioFrontEnd implements FrontEnd {
  readonly #decoder: Decoder;
  readonly #clock: Hertz;
  /** The detector's. */
  readonly #rate: Hertz;
  readonly #channels: readonly Channel[];
  #paused = false;

  constructor({
    decoder,
    clock,
    channels,
    spec,
    createResampler,
    createMeter,
    ...tuning
  }: AudioFrontEndParts) {
    this.#decoder = decoder;
    this.#clock = clock;
    this.#rate = spec.rate;
    this.#channels = Array.from(
      { length: channels },
      (_, channel) =>
        new Channel({
          channel,
          spec,
          rate: decoder.rate,
          clock,
          resampler: createResampler(decoder.rate, spec.rate),
          meter: createMeter(),
          ...tuning,
        }),
    );
  }

  get tMediaMs(): Millis {
    return millis(Math.max(...this.#channels.map((channel) => toMillis(channel.clock, this.#clock))));
  }

  get paceMs(): Millis {
    return this.tMediaMs;
  }

  audioOf(channel: number): { readonly clock: Samples; readonly gaps: Samples } {
    const at = this.#channels[channel];
    return { clock: at?.clock ?? samples(0), gaps: at?.gapTotal ?? samples(0) };
  }

  /** Throws the decoder's Faults. */
  apply(command: Command): readonly Item[] {
    switch (command.type) {
      case "audio":
        return this.#push(this.#decoder.push(command.chunk));
      case "pause":
        this.#paused = true;
        return this.#channels.flatMap((channel) => channel.separate());
      case "resume":
        this.#paused = false;
        return this.#declare(command.gapMs ?? 0, "paused");
      case "finalize":
        return this.#channels.flatMap((channel) => channel.finalize());
      case "update":
        return this.#retune(command.detection);
      case "annotate":
        return this.#annotate(command);
    }
  }

  flush(): readonly Item[] {
    return [...this.#push(this.#decoder.flush()), ...this.#channels.flatMap((channel) => channel.flush())];
  }

  close(): void {
    this.#decoder.close();
  }

  #push(pieces: readonly Piece[]): readonly Item[] {
    const found: Found[] = [];
    for (const piece of pieces) {
      const heard = this.#paused ? this.#unheard(piece) : piece;
      for (const item of this.#channels[piece.channel]?.push(heard) ?? []) found.push(item);
    }
    return found;
  }

  /** What arrives during a pause is time, not evidence. */
  #unheard(piece: Piece): Piece {
    if (piece.kind === "gap") return { ...piece, cause: "paused" };
    const length = samples((piece.samples.length * this.#clock) / this.#decoder.rate);
    return { kind: "gap", channel: piece.channel, length, cause: "paused" };
  }

  #declare(gapMs: number, cause: "paused" | "client_declared", only?: number): readonly Found[] {
    const length = toSamples(gapMs, this.#clock);
    return this.#channels.flatMap((channel, index) =>
      only === undefined || only === index
        ? channel.push({ kind: "gap", channel: index, length, cause })
        : [],
    );
  }

  #annotate(command: Extract<Command, { type: "annotate" }>): readonly Item[] {
    const { kind, channel: only, gapMs } = command;
    if (kind === "gap") return this.#declare(gapMs ?? 0, "client_declared", only);
    if (kind !== "speaker_change" && kind !== "transfer") return [];
    return this.#channels.flatMap((channel, index): readonly Item[] =>
      only === undefined || only === index ? [...channel.separate(), this.#reset(channel, index)] : [],
    );
  }

  #reset(channel: Channel, index: number): Item {
    const at = channel.clock;
    return { kind: "reset", channel: index, at, start: convert(at, this.#clock, this.#rate) };
  }

  #retune(detection: Extract<Command, { type: "update" }>["detection"]): readonly Item[] {
    for (const channel of this.#channels) channel.retune(detection?.hopMs, detection?.minSpeechMs);
    return [];
  }
}
