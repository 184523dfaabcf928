import { Fault } from "./errors.ts";
import type { GapCause } from "./ports.ts";
import { type Hertz, type Samples, samples } from "./units.ts";

/** A hole of one cause in a channel's timeline, at the source's clock. */
export interface Gap {
  readonly channel: number;
  readonly start: Samples;
  readonly end: Samples;
  readonly cause: GapCause;
}

/** A gap that goes on is reported in parts: the first of this length, each later one as long as all before it, */
const firstPartMs = 5000;
/** up to this, so that one message that declares hours is not thousands of events. */
const longestPartMs = 600_000;
/** More gaps than this in one second of a channel are not a call: each is an event that may not be dropped. */
const maxPerSecond = 100;

const none: readonly Gap[] = [];

/** The gaps of one channel's timeline. Holes of one cause that follow each other are one gap, reported when it is over. */
export class Gaps {
  readonly #channel: number;
  readonly #clock: Hertz;
  #total = 0;
  /** The gap that is going on, if one is. */
  #open: { readonly since: number; start: number; end: number; readonly cause: GapCause } | undefined;
  /** Gaps opened since `#countedSince`. */
  #opened = 0;
  #countedSince = 0;

  /** `clock` is the rate that positions count in. */
  constructor(channel: number, clock: Hertz) {
    this.#channel = channel;
    this.#clock = clock;
  }

  /** Of all holes together. */
  get total(): Samples {
    return samples(this.#total);
  }

  /**
   * Adds a hole at the end of the timeline, `at`; gives what of gaps is over by it. Throws an `undecodable_audio` Fault for a
   * timeline that is more holes than sound.
   */
  add(at: Samples, length: Samples, cause: GapCause): readonly Gap[] {
    const over: Gap[] = [];
    if (this.#open?.cause !== cause) {
      over.push(...this.close());
      this.#count(at);
      this.#open = { since: at, start: at, end: at, cause };
    }
    const open = this.#open;
    open.end += length;
    this.#total += length;
    for (let part = this.#part(open); open.end - open.start > part; part = this.#part(open)) {
      over.push(this.#report(open.start, open.start + part, cause));
      open.start += part;
    }
    return over;
  }

  /** Ends the gap that is going on: something else follows, or somebody asks. */
  close(): readonly Gap[] {
    const gap = this.#open;
    this.#open = undefined;
    if (gap === undefined || gap.end === gap.start) return none;
    return [this.#report(gap.start, gap.end, gap.cause)];
  }

  #part({ since, start }: { readonly since: number; readonly start: number }): number {
    const perMs = this.#clock / 1000;
    return Math.min(Math.max(start - since, firstPartMs * perMs), longestPartMs * perMs);
  }

  #count(at: number): void {
    if (at - this.#countedSince > this.#clock) {
      this.#countedSince = at;
      this.#opened = 0;
    }
    if (++this.#opened > maxPerSecond) {
      throw new Fault("undecodable_audio", `more than ${maxPerSecond} gaps in a second`);
    }
  }

  #report(start: number, end: number, cause: GapCause): Gap {
    return { channel: this.#channel, start: samples(start), end: samples(end), cause };
  }
}
