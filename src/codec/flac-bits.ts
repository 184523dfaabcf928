/** The bytes end inside what was to be read. */
export class BitsEnd extends Error {
  override readonly name = "BitsEnd";
}

/** Reads big-endian bit fields. Running past the end throws {@link BitsEnd}. */
export class BitReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #bit: number;

  constructor(bytes: Uint8Array, fromByte: number) {
    this.#bytes = bytes;
    this.#bit = fromByte * 8;
    this.#end = bytes.length * 8;
  }

  /** Index of the byte that holds the next bit. */
  get byte(): number {
    return this.#bit >>> 3;
  }

  /** `count` in 0 … 25. */
  unsigned(count: number): number {
    if (count === 0) return 0;
    const value = (this.#ahead() >>> (32 - count)) >>> 0;
    this.#advance(count);
    return value;
  }

  /** Two's complement; `count` in 1 … 25. */
  signed(count: number): number {
    const value = this.#ahead() >> (32 - count);
    this.#advance(count);
    return value;
  }

  /** The number of zeros before the next one, which is taken too. */
  unary(): number {
    let zeros = 0;
    for (;;) {
      const word = this.#ahead() & ~0x7f;
      if (word !== 0) {
        const here = Math.clz32(word);
        this.#advance(here + 1);
        return zeros + here;
      }
      zeros += 25;
      this.#advance(25);
    }
  }

  alignToByte(): void {
    this.#bit = (this.#bit + 7) & ~7;
  }

  /** At least 25 bits from here on, from the top; zeros stand for what lies past the end. */
  #ahead(): number {
    const at = this.#bit >>> 3;
    const bytes = this.#bytes;
    const word =
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0);
    return word << (this.#bit & 7);
  }

  #advance(bits: number): void {
    this.#bit += bits;
    if (this.#bit > this.#end) throw new BitsEnd("past the end");
  }
}
