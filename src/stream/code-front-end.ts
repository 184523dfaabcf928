import { readCodeWindow, type CodeWindow } from "./code-window.ts";
import type { Command } from "./commands.ts";
import { Fault } from "./errors.ts";
import type { FrontEnd, Item } from "./front-end.ts";
import { Gaps } from "./gaps.ts";
import type { CodeSpec, DetectorSpec, GapCause, Quality } from "./ports.ts";
import { type Millis, millis, type Samples, samples, toMillis, toSamples } from "./units.ts";

/** A later window may begin this much after what is known of the timeline; more is a clock of something else. */
const longestJumpMs = 3_600_000;
/** Windows that come faster than the shortest hop count as this much media time each, so that the pool is not flooded. */
const leastHopMs = 250;

/** Nobody here heard the sound. */
const unheard: Quality = { bandwidthHz: 0, clipping: 0, lossRatio: 0 };
const noSamples = new Float32Array(0);

/**
 * Messages that are windows already → windows and gaps of one channel. The client says where a window begins and how much of it
 * is speech; what no window covers is a gap. A window that was padded cannot be told from a whole one and counts as such.
 */
export class CodeFrontEnd implements FrontEnd {
  readonly #spec: DetectorSpec;
  readonly #codes: CodeSpec;
  readonly #gaps: Gaps;
  /** End of the timeline: windows and declared gaps. At the detector's rate, which is the source's clock here. */
  #clock = 0;
  /** The newest window that came, heard or not. */
  #last: CodeWindow | undefined;
  /** What has passed for certain: windows began here, or gaps ended. */
  #passed = 0;
  #windows = 0;
  #paused = false;
  /** Why there is a hole before the next window, if there is one. */
  #jump: GapCause = "client_declared";

  constructor(spec: DetectorSpec, codes: CodeSpec) {
    this.#spec = spec;
    this.#codes = codes;
    this.#gaps = new Gaps(0, spec.rate);
  }

  get tMediaMs(): Millis {
    return this.#toMillis(this.#clock);
  }

  /** A window's end may be padding, so its beginning counts. */
  get paceMs(): Millis {
    return millis(Math.max(this.#toMillis(this.#passed), leastHopMs * this.#windows));
  }

  audioOf(): { readonly clock: Samples; readonly gaps: Samples } {
    return { clock: samples(this.#clock), gaps: this.#gaps.total };
  }

  /** Throws `bad_message` and `undecodable_audio` Faults. */
  apply(command: Command): readonly Item[] {
    switch (command.type) {
      case "audio":
        return command.chunk.length === 0 ? [] : this.#take(readCodeWindow(command.chunk, this.#codes));
      case "pause":
        this.#paused = true;
        this.#jump = "paused";
        return this.flush();
      case "resume":
        this.#paused = false;
        return this.#declare(command.gapMs ?? 0, "paused");
      case "finalize":
        return this.flush();
      case "update":
        return [];
      case "annotate":
        return this.#annotate(command);
    }
  }

  flush(): readonly Item[] {
    return this.#gaps.close().map((gap): Item => ({ kind: "gap", gap }));
  }

  close(): void {
    // Holds nothing.
  }

  #take(window: CodeWindow): readonly Item[] {
    this.#assertOrder(window);
    const { start } = window;
    const end = start + this.#spec.window;
    const over = this.#hole(start - this.#clock, this.#jump);
    const fresh = Math.max(0, end - this.#clock);
    this.#last = window;
    this.#passed = Math.max(this.#passed, start);
    this.#windows++;
    if (this.#paused) return [...over, ...this.#hole(fresh, "paused")];
    this.#jump = "client_declared";
    this.#clock += fresh;
    return [...over, ...this.flush(), { kind: "window", window: this.#toWindow(window, fresh) }];
  }

  #toWindow({ index, start, speechMs, codes }: CodeWindow, fresh: number) {
    const { rate, window } = this.#spec;
    const speech = toSamples(speechMs, rate);
    return {
      channel: 0,
      index,
      start: samples(start),
      end: samples(start + window),
      provisional: false,
      fresh: samples(fresh),
      speech,
      // Where in the window the speech lies is not said: it is taken to be spread evenly.
      freshSpeech: samples(Math.round((speech * fresh) / window)),
      quality: unheard,
      samples: noSamples,
      codes,
    };
  }

  #assertOrder({ index, start, speechMs }: CodeWindow): void {
    const { last, windowMs } = { last: this.#last, windowMs: this.#toMillis(this.#spec.window) };
    if (last !== undefined && index <= last.index)
      throw bad("index", index, `window ${index} comes after window ${last.index}`);
    if (last !== undefined && start < last.start)
      throw bad("start_sample", start, "a window begins before the one that came before it");
    if (start - this.#clock > toSamples(longestJumpMs, this.#spec.rate))
      throw bad("start_sample", start, `start_sample jumps ahead by more than ${longestJumpMs} ms`);
    if (speechMs > windowMs)
      throw bad("speech_ms", speechMs, `${speechMs} ms of speech in a window of ${windowMs} ms`);
  }

  #declare(gapMs: number, cause: GapCause): readonly Item[] {
    const length = toSamples(gapMs, this.#spec.rate);
    this.#passed += length;
    return this.#hole(length, cause);
  }

  #hole(length: number, cause: GapCause): readonly Item[] {
    if (length <= 0) return [];
    const over = this.#gaps.add(samples(this.#clock), samples(length), cause);
    this.#clock += length;
    return over.map((gap): Item => ({ kind: "gap", gap }));
  }

  /** What a client sends from here on is of another speaker as far as it begins here. */
  #annotate({ kind, gapMs }: Extract<Command, { type: "annotate" }>): readonly Item[] {
    if (kind === "gap") return this.#declare(gapMs ?? 0, "client_declared");
    if (kind !== "speaker_change" && kind !== "transfer") return [];
    const at = samples(this.#clock);
    return [...this.flush(), { kind: "reset", channel: 0, at, start: at }];
  }

  #toMillis(at: number): Millis {
    return toMillis(samples(at), this.#spec.rate);
  }
}

const bad = (field: string, value: number, message: string): Fault =>
  new Fault("bad_message", message, { details: { field, value } });
