import { join } from "node:path";
import { Fault } from "../../stream/errors.ts";
import { WindowLost } from "../../stream/ports.ts";
import type { Hertz } from "../../stream/units.ts";
import type { Manifest } from "../manifest.ts";
import { formatOrder, parseOrder, type FrameOrder } from "../safeear/permutation.ts";
import type { Pack } from "../store.ts";
import { WholeProcess, type Heard } from "./whole-process.ts";

export interface WholeOptions {
  readonly pack: Pack;
  /** In which frames are heard; the pack's by default. */
  readonly order?: FrameOrder;
  /** Cores that one recording is spread over. */
  readonly threads: number;
  /** Recordings that a process hears before another takes its place, 100 by default. */
  readonly mostHeard?: number;
  /** By how much a process may have grown since it opened the graphs, 512 MiB by default; one that has is replaced. */
  readonly mostGrownBytes?: number;
  /** For a recording of so many seconds; by default one minute, and ten times as long as it plays. */
  readonly deadlineMs?: (seconds: number) => number;
  /** For opening the graphs, 60 s by default. */
  readonly startMs?: number;
  /** For a process to end by itself once it is asked to, 2 s by default. */
  readonly graceMs?: number;
}

/** What a detector answers a recording with, before any calibration. */
export interface Logits {
  readonly bonafide: number;
  readonly spoof: number;
}

/** Scores recordings whole, neither cropped nor padded, one after the other and in a process of their own. */
export interface WholeScorer {
  readonly rate: Hertz;
  readonly order: FrameOrder;
  /** The most that the detector's positions reach. */
  readonly longestSeconds: number;
  /** Of the process that is running, if one is. */
  readonly pid: number | undefined;
  /**
   * One channel at {@link rate}, finite. Rejects with a Fault for one that is too short or too long, and with WindowLost
   * where the process ended over it, or was ended: the next recording gets another.
   */
  score(samples: Float32Array): Promise<Logits>;
  /** Idempotent; waits for what was asked for. */
  close(): Promise<void>;
}

/** Starts the process. Throws an Error where the pack has no graphs that take any length, or they cannot be opened. */
export async function createWholeScorer(options: WholeOptions): Promise<WholeScorer> {
  const scorer = new Scorer(options);
  await scorer.start();
  return scorer;
}

class Scorer implements WholeScorer {
  readonly rate: Hertz;
  readonly order: FrameOrder;
  readonly longestSeconds: number;
  readonly #options: WholeOptions;
  readonly #parts: Parts;
  #process: WholeProcess | undefined;
  #openedBytes = 0;
  #heard = 0;
  /** The end of what was asked for so far. */
  #last: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: WholeOptions) {
    const { pack, order } = options;
    this.#options = options;
    this.#parts = partsOf(pack.manifest);
    this.rate = pack.spec.rate;
    this.order = order ?? parseOrder(this.#parts.order);
    this.longestSeconds = (this.#parts.longestFrames * this.#parts.frameSamples) / this.rate;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async start(): Promise<WholeProcess> {
    const { pack, threads, startMs = 60_000 } = this.#options;
    const process = new WholeProcess();
    this.#process = process;
    void process.ended.then(() => {
      if (this.#process === process) this.#process = undefined;
    });
    const graphs = {
      tokenizerPath: join(pack.folder, this.#parts.tokenizer),
      detectorPath: join(pack.folder, this.#parts.detector),
      order: formatOrder(this.order),
      threads,
    };
    this.#openedBytes = await process.open(graphs, startMs);
    this.#heard = 0;
    return process;
  }

  score(samples: Float32Array): Promise<Logits> {
    if (this.#closing !== undefined) return Promise.reject(new Error("the scorer is closed"));
    const fault = this.#misfit(samples.length);
    if (fault !== undefined) return Promise.reject(fault);
    const turn = this.#last.then(() => this.#hear(samples));
    this.#last = turn.then(
      (heard) => this.#retire(heard),
      () => undefined,
    );
    return turn.then(({ logits }) => this.#parts.read(logits));
  }

  close(): Promise<void> {
    this.#closing ??= this.#last.then(() => this.#end());
    return this.#closing;
  }

  #misfit(length: number): Fault | undefined {
    const { fewestSamples, frameSamples, longestFrames } = this.#parts;
    if (length < fewestSamples) {
      return new Fault("unsupported_audio", `shorter than ${fewestSamples} samples at ${this.rate} Hz`, {
        details: { fewest_samples: fewestSamples },
      });
    }
    return Math.ceil(length / frameSamples) > longestFrames ? tooLong(this.longestSeconds) : undefined;
  }

  async #hear(samples: Float32Array): Promise<Heard> {
    const { deadlineMs = defaultDeadlineMs } = this.#options;
    try {
      const process = this.#process ?? (await this.start());
      return await process.hear(samples, deadlineMs(samples.length / this.rate));
    } catch (reason) {
      const why = reason instanceof Error ? reason.message : String(reason);
      this.#process?.kill(why);
      await this.#process?.ended;
      throw new WindowLost("worker_lost", `the inference process was lost: ${why}`);
    }
  }

  /** Each new length leaves memory behind that a run of another length cannot use. */
  async #retire({ rssBytes }: Heard): Promise<void> {
    const { mostHeard = 100, mostGrownBytes = 512 * 2 ** 20 } = this.#options;
    this.#heard++;
    if (this.#heard >= mostHeard || rssBytes - this.#openedBytes > mostGrownBytes) await this.#end();
  }

  async #end(): Promise<void> {
    await this.#process?.close(this.#options.graceMs ?? 2000);
  }
}

const defaultDeadlineMs = (seconds: number): number => 60_000 + Math.ceil(10_000 * seconds);

/** A recording of more than `longestSeconds`. */
export const tooLong = (longestSeconds: number): Fault =>
  new Fault("message_too_large", `the recording is longer than ${longestSeconds} s`, {
    details: { max_seconds: longestSeconds },
  });

interface Parts {
  readonly tokenizer: string;
  readonly detector: string;
  readonly order: string;
  readonly fewestSamples: number;
  readonly frameSamples: number;
  readonly longestFrames: number;
  read(logits: Heard["logits"]): Logits;
}

function partsOf({ id, codec, output }: Manifest): Parts {
  if (output.form === "codes") {
    throw new Error(`model pack ${id} is a tokenizer alone: it was imported without ${output.lacks}`);
  }
  if (codec?.detector === undefined || output.form !== "logits") {
    throw new Error(
      `model pack ${id} has no graphs for whole recordings: \`earwitness import safeear\` makes one that has`,
    );
  }
  const { tokenizer, detector, fewest_samples, frame_samples } = codec;
  return {
    tokenizer,
    detector: detector.file,
    order: detector.order,
    fewestSamples: fewest_samples,
    frameSamples: frame_samples,
    longestFrames: detector.longest_frames,
    read: ([first, second]) =>
      output.spoof_index === 1 ? { bonafide: first, spoof: second } : { bonafide: second, spoof: first },
  };
}
