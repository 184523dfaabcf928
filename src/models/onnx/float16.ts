/** IEEE 754 binary16 bits of each value, rounded to the nearest, ties to even; what is too large becomes infinite. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = halfOf(bits[i] ?? 0);
  return out;
}

const infinity = 0x7c00;

function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | infinity; // 65536 and above
  // Below 2^-14 a half has no hidden bit: its unit is 2^-24 whatever the exponent.
  if (magnitude < 0x38800000) return sign | subnormal(magnitude);
  // The exponent's bias falls from 127 to 15; a carry out of the mantissa goes up into it, to infinity at the end.
  return sign | roundShift(magnitude - ((127 - 15) << 23), 13);
}

function subnormal(magnitude: number): number {
  const exponent = magnitude >>> 23;
  const shift = 126 - exponent;
  // Less than half of the smallest one.
  if (shift > 24) return 0;
  return roundShift((magnitude & 0x7fffff) | 0x800000, shift);
}

/** `value / 2^shift`, rounded to the nearest, ties to even. */
function roundShift(value: number, shift: number): number {
  const half = 1 << (shift - 1);
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
