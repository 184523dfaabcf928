import { Malformed } from "./errors.ts";

/** The bytes end inside a pickle: there may be more of it in the file. */
export class PickleEnds extends Malformed {
  override readonly name = "PickleEnds";

  constructor() {
    super("is cut short: its object tree does not end");
  }
}

const nameBytes = 1024;
const longBytes = 1024;

/** A pickle's bytes and how far they have been read. */
export class PickleInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** An unsigned 64-bit length; what no file can hold is cut short by definition. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  /** A big-endian double. */
  f64(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(length: number): string {
    const start = this.#take(length);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, length).toString("utf8");
  }

  /** Text up to the end of the line. Throws Malformed on a line longer than any Python name. */
  line(): string {
    const start = this.#at;
    const end = this.#bytes.subarray(start, start + nameBytes).indexOf(0x0a);
    if (end >= 0) {
      const line = this.text(end);
      this.#take(1);
      return line;
    }
    if (start + nameBytes > this.#bytes.length) throw new PickleEnds();
    throw new Malformed(`is damaged: a name at byte ${start} of its object tree does not end`);
  }

  /** A little-endian two's complement integer: a number where that is exact, else a bigint. */
  long(length: number): number | bigint {
    if (length > longBytes) throw new Malformed(`is damaged: it has an integer of ${length} bytes`);
    if (length === 0) return 0;
    const hex = Buffer.from(this.bytes(length)).reverse().toString("hex");
    const value = BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
    const rounded = Number(value);
    return Number.isSafeInteger(rounded) ? rounded : value;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw new PickleEnds();
    this.#at = start + length;
    return start;
  }
}
