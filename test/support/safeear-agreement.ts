import assert from "node:assert/strict";

/** Codes `[stages, frames]` of one window, and what they were to be. */
export interface CodeComparison {
  readonly actual: ArrayLike<number | bigint>;
  readonly expected: ArrayLike<number | bigint>;
  readonly frames: number;
  /** The encoder's features, `[width, frames]`. */
  readonly features: Float32Array;
  /** Each stage's code vectors, one after the other. */
  readonly codebooks: readonly Float32Array[];
}

/** What {@link compareCodes} found. */
export interface Agreement {
  readonly compared: number;
  readonly equal: number;
  /** Later stages of a frame whose codes had parted at a tie. */
  readonly excluded: number;
}

/** Two distances are a tie if they differ by no more than this share of themselves. */
const tie = 1e-4;

/** Counts equal codes; a frame's first difference must be a tie between two distances, and ends that frame's comparison. */
export function compareCodes(codes: CodeComparison): Agreement {
  const stages = codes.codebooks.length;
  assert.equal(codes.actual.length, stages * codes.frames);
  assert.equal(codes.expected.length, stages * codes.frames);
  let [compared, equal, excluded] = [0, 0, 0];
  for (let frame = 0; frame < codes.frames; frame++) {
    const agreed = agreedStages(codes, frame);
    equal += agreed;
    compared += Math.min(stages, agreed + 1);
    excluded += Math.max(0, stages - agreed - 1);
  }
  return { compared, equal, excluded };
}

function agreedStages(
  { actual, expected, frames, features, codebooks }: CodeComparison,
  frame: number,
): number {
  const width = features.length / frames;
  const rest = Float64Array.from({ length: width }, (_, i) => features[i * frames + frame] ?? 0);
  for (const [stage, codebook] of codebooks.entries()) {
    const [a, b] = [actual, expected].map((codes) =>
      vectorOf(codebook, width, codes[stage * frames + frame]),
    );
    assert.ok(a !== undefined && b !== undefined);
    if (a.some((value, i) => value !== b[i])) {
      const [near, far] = [distance(rest, a), distance(rest, b)];
      assert.ok(
        Math.abs(near - far) <= tie * far,
        `frame ${frame}, stage ${stage}: ${near} and ${far} are no tie`,
      );
      return stage;
    }
    b.forEach((value, i) => (rest[i] = (rest[i] ?? 0) - value));
  }
  return codebooks.length;
}

function vectorOf(codebook: Float32Array, width: number, code: number | bigint | undefined): Float32Array {
  const start = Number(code) * width;
  return codebook.subarray(start, start + width);
}

const distance = (a: Float64Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + (value - (b[i] ?? NaN)) ** 2, 0);
