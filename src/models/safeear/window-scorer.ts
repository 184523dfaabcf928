import { openGraph, type Numbers, type OpenGraph } from "../inference.ts";
import type { OpenModel } from "../messages.ts";
import type { Batch, Place, Scorer } from "../scorer.ts";
import { framePermutation, parseOrder, permuteFrames } from "./permutation.ts";
import { framesOf, KeptWindows, sharing, type FrameGeometry } from "./shared-frames.ts";

export type SafeearGraphs = Extract<OpenModel["graphs"], { kind: "safeear" }>;

/** Frames of earlier windows, in bytes, that a process keeps at the most. */
const mostKeptBytes = 128 * 2 ** 20;

/**
 * SafeEar over windows: *front* (convolutions), *back* (the rest of the tokenizer), and *detector* over the acoustic codes in
 * the pack's order of frames. A window that continues one of its track hears in the front only what is new.
 */
export async function openSafeear(graphs: SafeearGraphs, model: OpenModel): Promise<Scorer> {
  const open = (path: string): Promise<OpenGraph> => openGraph(path, model.provider);
  const front = await open(graphs.front);
  const back = await open(graphs.back);
  return new WindowScorer({ front, back, detector: await open(graphs.detector) }, graphs, model);
}

export interface OpenGraphs {
  readonly front: OpenGraph;
  readonly back: OpenGraph;
  readonly detector: OpenGraph;
}

/** The same over graphs that are open. */
export class WindowScorer implements Scorer {
  readonly #open: OpenGraphs;
  readonly #geometry: FrameGeometry;
  readonly #frames: number;
  readonly #acousticStages: number;
  readonly #outputWidth: number;
  readonly #permutation: Int32Array;
  readonly #kept = new KeptWindows(mostKeptBytes);

  constructor(open: OpenGraphs, graphs: SafeearGraphs, { window, outputWidth }: OpenModel) {
    const { frameSamples, before, after, fewest, stages, order } = graphs;
    this.#open = open;
    this.#geometry = { window, frameSamples, before, after, fewest };
    this.#frames = framesOf(this.#geometry);
    this.#acousticStages = stages - 1;
    this.#outputWidth = outputWidth;
    this.#permutation = framePermutation(this.#frames, parseOrder(order));
  }

  async score(batch: Batch, size: number): Promise<Float32Array> {
    const codes =
      batch.kind === "codes" ? batch.codes : await this.#encode(await this.#convolveAll(batch, size), size);
    const dims = [size, this.#acousticStages, this.#frames];
    return floats(await this.#open.detector.run({ codes: { data: codes, dims } }, "logits"), [
      size,
      this.#outputWidth,
    ]);
  }

  forget(): void {
    this.#kept.clear();
  }

  async release(): Promise<void> {
    this.forget();
    for (const graph of [this.#open.front, this.#open.back, this.#open.detector]) await graph.release();
  }

  /** Windows by themselves: convolutions gain nothing from a batch. Rows of no window stay silent. */
  async #convolveAll(batch: Extract<Batch, { kind: "audio" }>, size: number): Promise<Float32Array> {
    const { window } = this.#geometry;
    let all: Float32Array | undefined;
    for (const [row, place] of batch.places.entries()) {
      const samples = batch.samples.subarray(row * window, (row + 1) * window);
      const frames = await this.#convolve(samples, place);
      all ??= new Float32Array(size * frames.length);
      all.set(frames, row * frames.length);
    }
    return all ?? new Float32Array(0);
  }

  /** The front's frames of one window, `[frames, channels]`. */
  async #convolve(samples: Float32Array, place: Place | undefined): Promise<Float32Array> {
    const frames = (place && (await this.#continue(samples, place))) ?? (await this.#hear(samples, 0));
    if (place !== undefined) this.#kept.keep(place, samples, frames);
    return frames;
  }

  /** The same, of what the window before has and what is new; undefined where there is none to continue. */
  async #continue(samples: Float32Array, place: Place): Promise<Float32Array | undefined> {
    const earlier = this.#kept.before(place, samples);
    const shared = earlier && sharing(this.#geometry, earlier.distance);
    if (earlier === undefined || shared === undefined) return undefined;
    const { head, tail, shift } = shared;
    const channels = earlier.frames.length / this.#frames;
    const frames = new Float32Array(earlier.frames.length);
    if (head.frames > 0) {
      const heard = await this.#hear(samples.subarray(0, head.samples), 0);
      frames.set(heard.subarray(0, head.frames * channels));
    }
    frames.set(
      earlier.frames.subarray((head.frames + shift) * channels, (tail.frame + shift) * channels),
      head.frames * channels,
    );
    const heard = await this.#hear(samples, tail.firstSample);
    frames.set(heard.subarray((tail.frame - tail.firstFrame) * channels), tail.frame * channels);
    return frames;
  }

  async #hear(samples: Float32Array, from: number): Promise<Float32Array> {
    const data = samples.subarray(from);
    const answer = await this.#open.front.run({ audio: { data, dims: [1, data.length] } }, "convolved");
    return floats(answer, [1, Math.ceil(data.length / this.#geometry.frameSamples)]);
  }

  /** Acoustic codes in the order that they are heard in. */
  async #encode(convolved: Float32Array, size: number): Promise<Int32Array> {
    const channels = convolved.length / (size * this.#frames);
    const dims = [size, this.#frames, channels];
    const { data } = await this.#open.back.run({ convolved: { data: convolved, dims } }, "codes");
    const [each, whole] = [this.#acousticStages * this.#frames, (1 + this.#acousticStages) * this.#frames];
    if (!(data instanceof Int32Array) || data.length !== size * whole) {
      throw new Error("the tokenizer's codes are not int32 of shape [batch, stages, frames]");
    }
    const acoustic = new Int32Array(size * each);
    for (let row = 0; row < size; row++) {
      acoustic.set(data.subarray(row * whole + this.#frames, (row + 1) * whole), row * each);
    }
    return permuteFrames(acoustic, this.#permutation);
  }
}

/** The numbers of an answer whose shape begins with `dims`. */
function floats({ data, dims }: Numbers, [...wanted]: readonly number[]): Float32Array {
  if (data instanceof Float32Array && wanted.every((size, i) => dims[i] === size)) return data;
  throw new Error(`a graph gave [${dims.join(", ")}], not float32 [${wanted.join(", ")}, …]`);
}
