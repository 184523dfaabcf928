/** Bytes that came in and were not used yet, in one stretch. Memory follows what is waiting, not what went through. */
export class ByteQueue {
  #bytes = new Uint8Array(0);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** What is waiting. Valid until the next {@link append}. */
  view(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Copies `chunk`. */
  append(chunk: Uint8Array): void {
    const needed = this.length + chunk.length;
    if (needed > this.#bytes.length - this.#start) {
      const roomy = needed > this.#bytes.length ? new Uint8Array(needed * 2) : this.#bytes;
      roomy.set(this.view());
      this.#bytes = roomy;
      this.#end = this.length;
      this.#start = 0;
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Forgets the first `count` bytes, or all there are. */
  skip(count: number): void {
    this.#start += Math.min(count, this.length);
  }
}
