import { estimateBandwidthHz } from "./bandwidth.ts";
import { Gaps, type Gap } from "./gaps.ts";
import type { DetectorSpec, GapCause, Piece, Quality, Resampler, SpeechMeter, Window } from "./ports.ts";
import { Ring } from "./ring.ts";
import { takeBuffer } from "./window-buffers.ts";
import { convert, type Hertz, type Samples, samples } from "./units.ts";

/** What a channel's audio turns into, in the order of its timeline. */
export type Found =
  { readonly kind: "window"; readonly window: Window } | { readonly kind: "gap"; readonly gap: Gap };

export interface ChannelParts {
  readonly channel: number;
  readonly spec: DetectorSpec;
  /** Rate of the audio pieces. */
  readonly rate: Hertz;
  /** The source's clock, which gaps are counted in. */
  readonly clock: Hertz;
  readonly resampler: Resampler;
  readonly meter: SpeechMeter;
  readonly hopMs: number;
  readonly minSpeechMs: number;
}

/** Windows are looked for on this grid, so that any split of the input finds the same ones. */
const gridMs = 20;
/** Speech is counted up this often while a first, provisional window is awaited. */
const provisionalMs = 100;
/** A longer loss ends the run of windows; a shorter one is a silent hole inside them, and counted. */
const maxLossMs = 120;
/** The same for a sender that fell silent: pauses between words must not end the run. */
const maxSilenceMs = 1000;
let tracks = 0;

/** These end the run of windows whatever their length: the two sides may be different moments of a call. */
const separating: ReadonlySet<GapCause> = new Set(["paused", "discarded", "client_declared"]);

/**
 * One channel's timeline: resamples its audio, measures its speech, and cuts windows that never splice over a gap.
 * A *run* is a stretch without a gap that separates; windows start every hop from the run's start. The first ones of
 * a run may be shorter than a window and padded (provisional); a last one ends where the run ends.
 */
export class Channel {
  readonly #parts: ChannelParts;
  readonly #track = tracks++;
  readonly #ring: Ring;
  readonly #gaps: Gaps;
  readonly #window: number;
  readonly #grid: number;
  #hop = 0;
  #minSpeech = 0;

  /** Source samples consumed plus gaps: the channel's clock. */
  #clock = 0;
  #index = 0;
  /** Where the run began; windows start at `#runStart + k · hop`. Detector rate, as all that follows. */
  #runStart = 0;
  #nextStart = 0;
  #nextGrid: number;
  #nextProvisional: number | undefined;
  /** End of the newest window. */
  #covered = 0;
  /** Length of the present hole, all causes together and lost ones alone, in source samples. */
  #hole = 0;
  #lost = 0;
  #separated = false;
  /** Lost stretches that a window may still overlap. */
  #losses: { start: number; end: number }[] = [];

  constructor(parts: ChannelParts) {
    this.#parts = parts;
    this.#window = parts.spec.window;
    this.#grid = (gridMs * parts.spec.rate) / 1000;
    this.#ring = new Ring(this.#window + 2 * this.#grid);
    this.#gaps = new Gaps(parts.channel, parts.clock);
    this.#nextGrid = this.#grid;
    this.retune(parts.hopMs, parts.minSpeechMs);
  }

  /** Samples consumed plus gaps, at the source's clock. */
  get clock(): Samples {
    return samples(this.#clock);
  }

  get gapTotal(): Samples {
    return this.#gaps.total;
  }

  /** Takes effect from the next window on; what is undefined stays. */
  retune(hopMs: number | undefined, minSpeechMs: number | undefined): void {
    const perMs = this.#parts.spec.rate / 1000;
    const hop = hopMs === undefined ? this.#hop : hopMs * perMs;
    if (this.#nextStart > this.#runStart) this.#nextStart += hop - this.#hop;
    this.#hop = hop;
    if (minSpeechMs !== undefined) this.#minSpeech = minSpeechMs * perMs;
  }

  /** Throws an `undecodable_audio` Fault for a timeline that is more holes than sound. */
  push(piece: Piece): Found[] {
    const found: Found[] = [];
    if (piece.kind === "gap") this.#gap(piece.length, piece.cause, found);
    else if (piece.samples.length > 0) this.#audio(piece.samples, found);
    return found;
  }

  /** Scores what has not been scored yet, now; the run goes on. */
  finalize(): Found[] {
    const found: Found[] = [];
    report(this.#gaps.close(), found);
    this.#tail(found);
    return found;
  }

  /** Ends the run here without a gap: what follows is somebody else. */
  separate(): Found[] {
    const found: Found[] = [];
    report(this.#gaps.close(), found);
    this.#endRun(found);
    this.#separated = true;
    return found;
  }

  /** Ends the timeline. */
  flush(): Found[] {
    const found: Found[] = [];
    report(this.#gaps.close(), found);
    this.#endRun(found);
    return found;
  }

  #audio(block: Float32Array, found: Found[]): void {
    const { rate, clock, resampler } = this.#parts;
    report(this.#gaps.close(), found);
    if (this.#separated) this.#startRun();
    else if (this.#hole > 0) this.#fillHole(found);
    this.#clock += (block.length * clock) / rate;
    this.#advance(resampler.push(block), true, found);
  }

  #gap(length: Samples, cause: GapCause, found: Found[]): void {
    if (length === 0) return;
    report(this.#gaps.add(this.clock, length, cause), found);
    this.#clock += length;
    if (this.#separated) return;
    this.#hole += length;
    if (cause !== "dtx") this.#lost += length;
    const perMs = this.#parts.clock / 1000;
    if (separating.has(cause) || this.#lost > maxLossMs * perMs || this.#hole > maxSilenceMs * perMs) {
      this.#endRun(found);
      this.#separated = true;
    }
  }

  /** A short hole stays in its place in time, silent. */
  #fillHole(found: Found[]): void {
    const { rate, clock, resampler } = this.#parts;
    const before = this.#ring.end;
    // By the whole timeline, so that holes of a fraction of a sample do not add up to a drift.
    const from = convert(samples(this.#clock - this.#hole), clock, rate);
    const silence = new Float32Array(convert(this.clock, clock, rate) - from);
    this.#advance(resampler.push(silence), false, found);
    if (this.#lost > 0) this.#losses.push({ start: before, end: this.#ring.end });
    this.#hole = 0;
    this.#lost = 0;
  }

  #startRun(): void {
    const { spec, clock, meter } = this.#parts;
    const start = Math.max(this.#ring.end, convert(this.clock, clock, spec.rate));
    meter.skip(start - this.#ring.end);
    this.#ring.restart(start);
    this.#runStart = start;
    this.#nextStart = start;
    this.#nextGrid = start + this.#grid;
    this.#nextProvisional = undefined;
    this.#covered = start;
    this.#losses = [];
    this.#hole = 0;
    this.#lost = 0;
    this.#separated = false;
  }

  #endRun(found: Found[]): void {
    if (this.#separated) return;
    this.#advance(this.#parts.resampler.flush(), true, found);
    this.#tail(found);
  }

  /** Writes samples at the detector's rate, stopping at each grid point to look for windows. */
  #advance(block: Float32Array, heard: boolean, found: Found[]): void {
    let at = 0;
    while (at < block.length) {
      const upTo = Math.min(block.length, at + this.#nextGrid - this.#ring.end);
      const slice = block.subarray(at, upTo);
      this.#ring.write(slice);
      if (heard) this.#parts.meter.push(slice);
      else this.#parts.meter.skip(slice.length);
      at = upTo;
      if (this.#ring.end === this.#nextGrid) {
        this.#nextGrid += this.#grid;
        this.#look(found);
      }
    }
  }

  #look(found: Found[]): void {
    const { end } = this.#ring;
    // Only a shorter hop, asked for on the way, can leave the next window behind what the ring holds.
    while (end > this.#nextStart + this.#window + this.#grid) this.#nextStart += this.#hop;
    while (end >= this.#nextStart + this.#window) {
      this.#cut(this.#nextStart, this.#nextStart + this.#window, found);
      this.#nextStart += this.#hop;
    }
    if (this.#nextStart === this.#runStart && this.#provisionalDue(end)) {
      this.#cut(this.#runStart, end, found);
      this.#nextProvisional = end + this.#hop;
    }
  }

  #provisionalDue(end: number): boolean {
    if (this.#nextProvisional !== undefined) return end >= this.#nextProvisional;
    const every = (provisionalMs / gridMs) * this.#grid;
    if ((end - this.#runStart) % every !== 0) return false;
    return this.#parts.meter.speech(this.#runStart, end) >= this.#minSpeech;
  }

  /** The newest window's worth of audio, when some of it is in no window yet. */
  #tail(found: Found[]): void {
    const { end } = this.#ring;
    if (end > this.#covered) this.#cut(Math.max(this.#runStart, end - this.#window), end, found);
  }

  #cut(start: number, end: number, found: Found[]): void {
    const { channel, spec, meter } = this.#parts;
    const audio = takeBuffer(this.#window);
    this.#ring.copy(start, end, audio);
    const length = end - start;
    const quality = this.#quality(start, end, audio.subarray(0, length));
    if (spec.pad === "tile") for (let at = length; at < audio.length; at += length) tile(audio, at, length);
    const freshStart = Math.max(start, this.#covered);
    this.#covered = Math.max(this.#covered, end);
    found.push({
      kind: "window",
      window: {
        channel,
        track: this.#track,
        index: this.#index++,
        start: samples(start),
        end: samples(end),
        provisional: length < this.#window,
        fresh: samples(end - freshStart),
        speech: samples(meter.speech(start, end)),
        freshSpeech: samples(meter.speech(freshStart, end)),
        quality,
        samples: audio,
      },
    });
  }

  #quality(start: number, end: number, audio: Float32Array): Quality {
    this.#losses = this.#losses.filter((loss) => loss.end > end - this.#window - this.#hop);
    let lost = 0;
    for (const loss of this.#losses) {
      lost += Math.max(0, Math.min(end, loss.end) - Math.max(start, loss.start));
    }
    return {
      bandwidthHz: estimateBandwidthHz(audio, this.#parts.spec.rate),
      clipping: clippedShare(audio),
      lossRatio: lost / (end - start),
    };
  }
}

function report(gaps: readonly Gap[], found: Found[]): void {
  for (const gap of gaps) found.push({ kind: "gap", gap });
}

/** Repeats the first `period` samples at `at`. */
function tile(audio: Float32Array, at: number, period: number): void {
  audio.copyWithin(at, 0, Math.min(period, audio.length - at));
}

function clippedShare(audio: Float32Array): number {
  let clipped = 0;
  for (let i = 0; i < audio.length; i++) if (Math.abs(audio[i] ?? 0) >= 0.999) clipped++;
  return clipped / audio.length;
}
