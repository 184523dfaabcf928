/** Bits that one of `codes` codes takes: ⌈log₂ codes⌉. */
export const bitsPerCode = (codes: number): number => 32 - Math.clz32(codes - 1);

/** Bytes that `count` codes take, the last one filled up with zeros. */
export const packedBytes = (count: number, codes: number): number =>
  Math.ceil((count * bitsPerCode(codes)) / 8);

/** Codes below `codes`, end to end, each with its most significant bit first. Throws a RangeError on any other code. */
export function packCodes(values: Int32Array, codes: number): Uint8Array {
  const width = bitsPerCode(codes);
  const out = new Uint8Array(packedBytes(values.length, codes));
  let [at, held, bits] = [0, 0, 0];
  for (const value of values) {
    if (value < 0 || value >= codes) throw new RangeError(`code ${value} is not one of ${codes}`);
    held = (held << width) | value;
    bits += width;
    for (; bits >= 8; bits -= 8) out[at++] = held >>> (bits - 8);
    held &= (1 << bits) - 1;
  }
  if (bits > 0) out[at] = held << (8 - bits);
  return out;
}

/**
 * `count` codes below `codes` as {@link packCodes} writes them. Throws a RangeError where the bytes are more or fewer than
 * those take, a code is too large, or what fills the last byte is not zero.
 */
export function unpackCodes(bytes: Uint8Array, count: number, codes: number): Int32Array {
  const width = bitsPerCode(codes);
  if (bytes.length !== packedBytes(count, codes)) {
    throw new RangeError(
      `${count} codes of ${width} bits take ${packedBytes(count, codes)} bytes, not ${bytes.length}`,
    );
  }
  const out = new Int32Array(count);
  let [at, held, bits] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    for (; bits < width; bits += 8) held = (held << 8) | (bytes[at++] ?? 0);
    bits -= width;
    const code = held >>> bits;
    if (code >= codes) throw new RangeError(`code ${code} is not one of ${codes}`);
    out[i] = code;
    held &= (1 << bits) - 1;
  }
  if (held !== 0) throw new RangeError("the last byte is not filled up with zeros");
  return out;
}
