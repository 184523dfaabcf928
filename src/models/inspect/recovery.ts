/** Frames of several pieces, end to end. */
export interface Corpus {
  /** `[frames, width]`. */
  readonly features: Float32Array;
  readonly width: number;
  /** `[frames, stages]`. */
  readonly codes: Int32Array;
  readonly stages: number;
  /** Codes of a stage. */
  readonly size: number;
  /** Where each piece begins, and where the last one ends. */
  readonly bounds: readonly number[];
}

/** How much of the features' variation is left over in each piece, of how much there is. */
export interface Residue {
  readonly left: Float64Array;
  readonly all: Float64Array;
}

/** Parts that pieces are divided into: each is predicted by what the others taught. */
const parts = 4;
const sweeps = 3;
/** Frames that a code is taken to have been heard in before, with features of no distinction: the best is chosen. */
const shrinkages = [2, 8, 32, 128, 512] as const;

/**
 * What the codes of `stages` tell of the features to one who learns it from other pieces of the same audio: features are
 * predicted as their mean plus a vector per code and stage, fitted by ridge regression, which is a sum over
 * tables as SafeEar's own detector makes it. The amount of shrinkage is the best of five by the result, in favour of who listens.
 */
export function recover(corpus: Corpus, stages: readonly number[]): Residue {
  const residues = shrinkages.map((shrinkage) => recoverWith(corpus, stages, shrinkage));
  return residues.reduce((best, one) => (total(one.left) < total(best.left) ? one : best));
}

/** The same frames with the codes of half the corpus later: what a listener can learn where there is nothing to learn. */
export function misaligned(corpus: Corpus): Corpus {
  const { codes, stages } = corpus;
  const half = stages * Math.floor(codes.length / stages / 2);
  const turned = new Int32Array(codes.length);
  turned.set(codes.subarray(half));
  turned.set(codes.subarray(0, half), codes.length - half);
  return { ...corpus, codes: turned };
}

/** The share of the variation that is not left over, 1 at most; of the pieces given, with repetitions. */
export function shareRecovered({ left, all }: Residue, pieces: Iterable<number> = left.keys()): number {
  let [sumLeft, sumAll] = [0, 0];
  for (const piece of pieces) {
    sumLeft += left[piece] ?? 0;
    sumAll += all[piece] ?? 0;
  }
  return sumAll > 0 ? 1 - sumLeft / sumAll : 0;
}

const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

function recoverWith(corpus: Corpus, stages: readonly number[], shrinkage: number): Residue {
  const pieces = corpus.bounds.length - 1;
  const residue = { left: new Float64Array(pieces), all: new Float64Array(pieces) };
  for (let part = 0; part < parts; part++) {
    const [first, end] = [part, part + 1].map((n) => Math.floor((n * pieces) / parts));
    const [from = 0, to = 0] = [corpus.bounds[first ?? 0], corpus.bounds[end ?? 0]];
    const tables = new CodeTables(corpus, stages);
    tables.learn(from, to, shrinkage);
    for (let piece = first ?? 0; piece < (end ?? 0); piece++) tables.test(piece, residue);
  }
  return residue;
}

/** A mean, and a vector for each code of each of some stages. */
class CodeTables {
  readonly #corpus: Corpus;
  readonly #stages: readonly number[];
  readonly #mean: Float64Array;
  readonly #tables: readonly Float64Array[];

  constructor(corpus: Corpus, stages: readonly number[]) {
    this.#corpus = corpus;
    this.#stages = stages;
    this.#mean = new Float64Array(corpus.width);
    this.#tables = stages.map(() => new Float64Array(corpus.size * corpus.width));
  }

  /** Learns from all frames but those from `from` up to `to`, one table after the other until they hardly change. */
  learn(from: number, to: number, shrinkage: number): void {
    const { features, width } = this.#corpus;
    const rest = new Float32Array(features.length - (to - from) * width);
    rest.set(features.subarray(0, from * width));
    rest.set(features.subarray(to * width), from * width);
    const frame = (i: number): number => (i < from ? i : i + to - from);
    subtractMean(rest, this.#mean);
    for (let sweep = 0; sweep < (this.#tables.length > 1 ? sweeps : 1); sweep++) {
      for (const [i, stage] of this.#stages.entries()) this.#improve(i, stage, rest, frame, shrinkage);
    }
  }

  /** The best vectors of one stage for what the other stages and its present ones leave over: `rest` afterwards is what is left then. */
  #improve(
    i: number,
    stage: number,
    rest: Float32Array,
    frame: (i: number) => number,
    shrinkage: number,
  ): void {
    const { codes, stages, size, width } = this.#corpus;
    const table = this.#tables[i] ?? new Float64Array(0);
    const change = new Float64Array(table.length);
    const counts = new Float64Array(size);
    const codeOf = Int32Array.from(
      { length: rest.length / width },
      (_, t) => codes[frame(t) * stages + stage] ?? 0,
    );
    for (const [t, code] of codeOf.entries()) {
      counts[code] = (counts[code] ?? 0) + 1;
      addRow(change, code * width, rest, t * width, width);
    }
    for (const [code, n] of counts.entries()) {
      moveRow(table, change, code * width, width, n, shrinkage);
    }
    for (const [t, code] of codeOf.entries()) subtractRow(rest, t * width, change, code * width, width);
  }

  /** Adds up what is left of a piece, and what there is without any code. */
  test(piece: number, { left, all }: Residue): void {
    const { features, width, codes, stages, bounds } = this.#corpus;
    const [from = 0, to = 0] = [bounds[piece], bounds[piece + 1]];
    const rest = new Float64Array(width);
    for (let t = from; t < to; t++) {
      rest.set(features.subarray(t * width, (t + 1) * width));
      subtractRow(rest, 0, this.#mean, 0, width);
      all[piece] = (all[piece] ?? 0) + squares(rest);
      for (const [i, table] of this.#tables.entries()) {
        const code = codes[t * stages + (this.#stages[i] ?? 0)] ?? 0;
        subtractRow(rest, 0, table, code * width, width);
      }
      left[piece] = (left[piece] ?? 0) + squares(rest);
    }
  }
}

type Numbers = Float32Array | Float64Array;

function addRow(to: Numbers, at: number, from: Numbers, start: number, width: number): void {
  for (let i = 0; i < width; i++) to[at + i] = (to[at + i] ?? 0) + (from[start + i] ?? 0);
}

function subtractRow(to: Numbers, at: number, from: Numbers, start: number, width: number): void {
  for (let i = 0; i < width; i++) to[at + i] = (to[at + i] ?? 0) - (from[start + i] ?? 0);
}

/** Puts a vector where ridge regression has it for the sum, in `change`, of what its `n` frames leave over; `change` is then its move. */
function moveRow(
  table: Float64Array,
  change: Float64Array,
  at: number,
  width: number,
  n: number,
  shrinkage: number,
): void {
  for (let i = at; i < at + width; i++) {
    const old = table[i] ?? 0;
    const best = ((change[i] ?? 0) + n * old) / (n + shrinkage);
    table[i] = best;
    change[i] = best - old;
  }
}

function squares(row: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += (row[i] ?? 0) ** 2;
  return sum;
}

/** Makes `mean` the mean of the rows of `rows`, and subtracts it from them. */
function subtractMean(rows: Float32Array, mean: Float64Array): void {
  const width = mean.length;
  const count = rows.length / width;
  for (let at = 0; at < rows.length; at += width) addRow(mean, 0, rows, at, width);
  for (let i = 0; i < width; i++) mean[i] = (mean[i] ?? 0) / count;
  for (let at = 0; at < rows.length; at += width) subtractRow(rows, at, mean, 0, width);
}
