/** The last `capacity` samples of a timeline, addressed by absolute index, so that a position is also a time. */
export class Ring {
  readonly #store: Float32Array;
  #end: number;

  constructor(capacity: number, start = 0) {
    this.#store = new Float32Array(capacity);
    this.#end = start;
  }

  /** One past the newest sample. */
  get end(): number {
    return this.#end;
  }

  /** Copies `block` in. A block longer than the ring keeps its tail. */
  write(block: Float32Array): void {
    const { length } = this.#store;
    const kept = block.length > length ? block.subarray(block.length - length) : block;
    const at = (this.#end + block.length - kept.length) % length;
    const first = Math.min(kept.length, length - at);
    this.#store.set(kept.subarray(0, first), at);
    this.#store.set(kept.subarray(first), 0);
    this.#end += block.length;
  }

  /** Jumps to `position`; what was there before may no longer be read. */
  restart(position: number): void {
    this.#end = position;
  }

  /** Copies [start, end) to the beginning of `target`. Throws RangeError for samples no longer, or not yet, held. */
  copy(start: number, end: number, target: Float32Array): void {
    const { length } = this.#store;
    if (end > this.#end || start < this.#end - length || start > end) {
      throw new RangeError(`[${start}, ${end}) is not in a ring of ${length} that ends at ${this.#end}`);
    }
    const at = start % length;
    const first = Math.min(end - start, length - at);
    target.set(this.#store.subarray(at, at + first), 0);
    target.set(this.#store.subarray(0, end - start - first), first);
  }
}
