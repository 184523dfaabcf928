import { damaged } from "./file-reader.ts";
import type { BitReader } from "./flac-bits.ts";

/** Binomial predictors of order 0 to 4: RFC 9639 §9.2.5. */
const fixedPredictors: readonly (readonly number[])[] = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]];

/** Decodes one subframe (RFC 9639 §9.2) of `depth` bits a sample, at most 25, into `samples`, filling it. */
export function readSubframe(bits: BitReader, depth: number, samples: Float64Array): void {
  if (bits.unsigned(1) !== 0) throw damaged("a FLAC subframe starts wrongly");
  const type = bits.unsigned(6);
  const wasted = bits.unsigned(1) === 1 ? bits.unary() + 1 : 0;
  if (wasted >= depth) throw damaged("a FLAC subframe wastes all of its bits");
  readCoded(bits, type, depth - wasted, samples);
  if (wasted === 0) return;
  const scale = 2 ** wasted;
  for (let i = 0; i < samples.length; i++) samples[i] = (samples[i] ?? 0) * scale;
}

function readCoded(bits: BitReader, type: number, depth: number, samples: Float64Array): void {
  if (type === 0) samples.fill(bits.signed(depth));
  else if (type === 1) readPlain(bits, depth, samples, samples.length);
  else if (type >= 8 && type <= 12) readFixed(bits, type - 8, depth, samples);
  else if (type >= 32) readLinear(bits, type - 31, depth, samples);
  else throw damaged("a FLAC subframe of a reserved type");
}

function readPlain(bits: BitReader, depth: number, samples: Float64Array, count: number): void {
  if (count > samples.length) throw damaged("a FLAC predictor longer than its block");
  for (let i = 0; i < count; i++) samples[i] = bits.signed(depth);
}

function readFixed(bits: BitReader, order: number, depth: number, samples: Float64Array): void {
  readPlain(bits, depth, samples, order);
  readResidual(bits, order, samples);
  predict(samples, fixedPredictors[order] ?? [], 0);
}

function readLinear(bits: BitReader, order: number, depth: number, samples: Float64Array): void {
  readPlain(bits, depth, samples, order);
  const precision = bits.unsigned(4) + 1;
  const shift = bits.signed(5);
  if (precision === 16 || shift < 0) throw damaged("a FLAC predictor of a reserved form");
  const coefficients = Array.from({ length: order }, () => bits.signed(precision));
  readResidual(bits, order, samples);
  predict(samples, coefficients, shift);
}

/** Turns residuals into samples. Sums stay below 2⁵³, so doubles are exact. */
function predict(samples: Float64Array, coefficients: readonly number[], shift: number): void {
  const order = coefficients.length;
  const scale = 2 ** -shift;
  for (let i = order; i < samples.length; i++) {
    let sum = 0;
    for (let j = 0; j < order; j++) sum += (coefficients[j] ?? 0) * (samples[i - 1 - j] ?? 0);
    samples[i] = (samples[i] ?? 0) + Math.floor(sum * scale);
  }
}

/** Rice-coded residuals: RFC 9639 §9.2.7. */
function readResidual(bits: BitReader, order: number, samples: Float64Array): void {
  const method = bits.unsigned(2);
  if (method > 1) throw damaged("FLAC residuals of a reserved form");
  const parameterBits = method === 0 ? 4 : 5;
  const partitions = 2 ** bits.unsigned(4);
  const length = samples.length / partitions;
  if (!Number.isInteger(length) || length < order)
    throw damaged("FLAC partitions that do not divide the block");
  for (let partition = 0; partition < partitions; partition++) {
    const from = partition === 0 ? order : partition * length;
    readPartition(bits, parameterBits, samples, from, (partition + 1) * length);
  }
}

function readPartition(
  bits: BitReader,
  parameterBits: number,
  samples: Float64Array,
  from: number,
  to: number,
): void {
  const parameter = bits.unsigned(parameterBits);
  if (parameter === 2 ** parameterBits - 1) {
    const width = bits.unsigned(5);
    for (let i = from; i < to; i++) samples[i] = wide(bits, width);
    return;
  }
  const scale = 2 ** parameter;
  for (let i = from; i < to; i++) {
    const folded = bits.unary() * scale + unsignedWide(bits, parameter);
    samples[i] = folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }
}

/** Up to 31 bits, which is more than one read gives. */
function unsignedWide(bits: BitReader, count: number): number {
  if (count <= 25) return bits.unsigned(count);
  const high = bits.unsigned(count - 16);
  return high * 65_536 + bits.unsigned(16);
}

function wide(bits: BitReader, count: number): number {
  if (count === 0) return 0;
  if (count <= 25) return bits.signed(count);
  const high = bits.signed(count - 16);
  return high * 65_536 + bits.unsigned(16);
}
