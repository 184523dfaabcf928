import { agreementOf, type Agreement, type Compared } from "./agreement.ts";
import { bootstrap, fewestForInterval, type Interval } from "./bootstrap.ts";
import type { Heard } from "./listener.ts";
import { misaligned, recover, shareRecovered, type Corpus } from "./recovery.ts";

/** Some of a tokenizer's quantizers, their code vectors added up. */
export interface Source {
  readonly name: string;
  /** From 0. */
  readonly stages: readonly number[];
}

/** A cosine over pieces, each with the weight of its frames. */
export interface Measured extends Compared {
  /** 95 % of what `value` − `chance` would be over other pieces; null where they are too few to say. */
  readonly above: Interval | null;
}

/** How far a source's vectors, through `transform`, are the teacher's features. */
export interface SourceAgreement {
  readonly source: Source;
  readonly perFrame: Measured;
  readonly alongTime: Measured;
}

/** The share of the features' variance that one recovers who learns anew what a source's codes mean; see `recover`. */
export interface Recovered extends Compared {
  readonly source: Source;
  readonly interval: Interval | null;
}

/** What was measured over some pieces. */
export interface Summary {
  readonly pieces: number;
  readonly frames: number;
  readonly agreements: readonly SourceAgreement[];
}

/** Frames whose features are kept to learn from: ten minutes, 92 MB at HuBERT's width. */
const mostLearned = 30_000;

/** The first quantizer, all others together, and each of these alone. */
export function sourcesOf(stages: number): readonly Source[] {
  const others = Array.from({ length: stages - 1 }, (_, i) => i + 1);
  const alone = others.map((stage) => ({ name: `quantizer ${stage + 1}`, stages: [stage] }));
  const together = { name: "acoustic", stages: others };
  return [{ name: "first", stages: [0] }, ...(others.length === 0 ? [] : [together, ...alone])];
}

interface Piece {
  readonly frames: number;
  /** In the order of the sources. */
  readonly agreements: readonly Agreement[];
}

/** Collects what both models hear, and says how far it agrees. */
export class Inspection {
  readonly sources: readonly Source[];
  readonly #bias: Float32Array;
  /** Codes of a stage. */
  readonly #size: number;
  readonly #pieces: Piece[] = [];
  /** The first of what was heard, to learn from. */
  readonly #kept: Heard[] = [];
  #keptFrames = 0;

  constructor(sources: readonly Source[], transformBias: Float32Array, codes: number) {
    this.sources = sources;
    this.#bias = transformBias;
    this.#size = codes;
  }

  /** Pieces so far: what {@link summary} counts from. */
  get pieces(): number {
    return this.#pieces.length;
  }

  add(heard: Heard): void {
    const agreements = this.sources.map(({ stages }) =>
      agreementOf(vectorsOf(heard, stages, this.#bias), heard.features, heard.width),
    );
    this.#pieces.push({ frames: heard.frames, agreements });
    if (this.#keptFrames + heard.frames > mostLearned) return;
    // What was projected is the largest part, and not needed to learn.
    this.#kept.push({ ...heard, projected: new Float32Array(0) });
    this.#keptFrames += heard.frames;
  }

  /** Over the pieces from the `first`. Throws RangeError where there is none. */
  summary(first = 0): Summary {
    const pieces = this.#pieces.slice(first);
    if (pieces.length === 0) throw new RangeError("nothing was heard");
    return {
      pieces: pieces.length,
      frames: pieces.reduce((sum, { frames }) => sum + frames, 0),
      agreements: this.sources.map((source, i) => ({
        source,
        perFrame: measure(pieces, ({ agreements }) => agreements[i]?.perFrame),
        alongTime: measure(pieces, ({ agreements }) => agreements[i]?.alongTime),
      })),
    };
  }

  /** What can be learned anew of the first ten minutes, for the first quantizer and the others together; nothing of too few pieces. */
  recovered(): { readonly frames: number; readonly sources: readonly Recovered[] } | null {
    if (this.#kept.length < fewestForInterval) return null;
    const corpus = toCorpus(this.#kept, this.#size);
    const control = misaligned(corpus);
    const sources = this.sources.slice(0, 2).map((source) => {
      const residue = recover(corpus, source.stages);
      return {
        source,
        value: shareRecovered(residue),
        chance: shareRecovered(recover(control, source.stages)),
        interval: bootstrap(this.#kept.length, (pieces) => shareRecovered(residue, pieces)),
      };
    });
    return { frames: this.#keptFrames, sources };
  }
}

/** `[frames, width]`: what `transform` makes of the sum of some stages' code vectors. */
function vectorsOf(heard: Heard, stages: readonly number[], bias: Float32Array): Float32Array {
  const { frames, width, projected } = heard;
  const out = new Float32Array(frames * width);
  for (let frame = 0; frame < frames; frame++) {
    out.set(bias, frame * width);
    for (const stage of stages) {
      const from = (frame * heard.stages + stage) * width;
      for (let i = 0, at = frame * width; i < width; i++, at++)
        out[at] = (out[at] ?? 0) + (projected[from + i] ?? 0);
    }
  }
  return out;
}

function measure(pieces: readonly Piece[], find: (piece: Piece) => Compared | undefined): Measured {
  const all = pieces.map((piece) => ({ frames: piece.frames, ...(find(piece) ?? nothing) }));
  const mean = (some: Iterable<number>, of: (one: Compared) => number): number => {
    let [sum, weight] = [0, 0];
    for (const i of some) {
      const one = all[i];
      if (one === undefined) continue;
      sum += of(one) * one.frames;
      weight += one.frames;
    }
    return sum / weight;
  };
  return {
    value: mean(all.keys(), ({ value }) => value),
    chance: mean(all.keys(), ({ chance }) => chance),
    above: bootstrap(all.length, (drawn) => mean(drawn, ({ value, chance }) => value - chance)),
  };
}

const nothing: Compared = { value: NaN, chance: NaN };

function toCorpus(kept: readonly Heard[], size: number): Corpus {
  const { width = 0, stages = 0 } = kept[0] ?? {};
  const bounds = [0];
  for (const { frames } of kept) bounds.push((bounds.at(-1) ?? 0) + frames);
  const frames = bounds.at(-1) ?? 0;
  const [features, codes] = [new Float32Array(frames * width), new Int32Array(frames * stages)];
  for (const [i, heard] of kept.entries()) {
    features.set(heard.features, (bounds[i] ?? 0) * width);
    codes.set(heard.codes, (bounds[i] ?? 0) * stages);
  }
  return { features, width, codes, stages, size, bounds };
}
