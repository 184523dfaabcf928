/** A measure, and what it would be of frames that do not belong together. */
export interface Compared {
  readonly value: number;
  /** The mean over every order of one side's frames: what agrees because both sides lean the same way all the time. */
  readonly chance: number;
}

/** How far two sequences of frames agree, by cosines from −1 to 1. */
export interface Agreement {
  /** Of the two sides' features in a frame, the mean over frames. */
  readonly perFrame: Compared;
  /**
   * Of a feature's course over the frames on the two sides, the mean over features: the similarity along the D axis that
   * SpeechTokenizer's first quantizer was trained to raise.
   */
  readonly alongTime: Compared;
}

/** Compares `a` and `b`, both `[frames, width]`, frame by frame. A side that is zero agrees with nothing. */
export function agreementOf(a: Float32Array, b: Float32Array, width: number): Agreement {
  return { perFrame: perFrame(a, b, width), alongTime: alongTime(a, b, width) };
}

/** Over all orders each frame meets each other as often: then the mean cosine is that of every pair. */
function perFrame(a: Float32Array, b: Float32Array, width: number): Compared {
  const frames = a.length / width;
  const [sumA, sumB] = [new Float64Array(width), new Float64Array(width)];
  let value = 0;
  for (let start = 0; start < a.length; start += width) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = start; i < start + width; i++) {
      const [x, y] = [a[i] ?? 0, b[i] ?? 0];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    value += cosine(ab, aa, bb);
    addScaled(sumA, a, start, inverse(aa));
    addScaled(sumB, b, start, inverse(bb));
  }
  const pairs = sumA.reduce((sum, x, i) => sum + x * (sumB[i] ?? 0), 0);
  return { value: value / frames, chance: pairs / frames ** 2 };
}

/** Over all orders the mean of Σ aₜbₜ is ΣaₜΣbₜ / frames; the norms stay. */
function alongTime(a: Float32Array, b: Float32Array, width: number): Compared {
  const frames = a.length / width;
  let [value, chance] = [0, 0];
  for (let feature = 0; feature < width; feature++) {
    let [ab, aa, bb, sumA, sumB] = [0, 0, 0, 0, 0];
    for (let i = feature; i < a.length; i += width) {
      const [x, y] = [a[i] ?? 0, b[i] ?? 0];
      ab += x * y;
      aa += x * x;
      bb += y * y;
      sumA += x;
      sumB += y;
    }
    value += cosine(ab, aa, bb);
    chance += cosine((sumA * sumB) / frames, aa, bb);
  }
  return { value: value / width, chance: chance / width };
}

const inverse = (square: number): number => (square > 0 ? 1 / Math.sqrt(square) : 0);
const cosine = (ab: number, aa: number, bb: number): number => ab * inverse(aa) * inverse(bb);

function addScaled(sum: Float64Array, from: Float32Array, start: number, scale: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (from[start + i] ?? 0) * scale;
}
