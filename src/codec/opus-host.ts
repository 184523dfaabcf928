import { Fault } from "../stream/errors.ts";
import type { OpusCodec, OpusStream } from "../stream/opus-pieces.ts";
import { OpusHeap } from "./opus-heap.ts";
import { loadOpusModule, type OpusModule } from "./opus-module.ts";

export interface OpusHostOptions {
  /** Told once of every heap whose code trapped: its streams decode nothing any more, all others go on. */
  readonly onBroken?: (reason: Error) => void;
  /** What instantiates libopus; `opus-decoder` when absent. */
  readonly load?: () => Promise<OpusModule>;
}

/** Thousands of Opus decoders in a few WebAssembly heaps: 685 of them in each when mono, 387 when stereo. */
export interface OpusHost extends OpusCodec {
  /**
   * A decoder as new, at once: heaps are prepared before they are needed. Throws an `at_capacity` Fault when more were
   * asked for than could be prepared meanwhile.
   */
  open(channels: 1 | 2): OpusStream;
  /** How many are open. */
  readonly streams: number;
  /** Ends every stream. Idempotent. */
  close(): void;
}

/** Heaps kept ready, one for each channel count, so that both can fill up in the same turn of the event loop. */
const spareHeaps = 2;
const retryAfterMs = 100;

/** Rejects when `opus-decoder` is not the version this was built for. */
export async function createOpusHost(options: OpusHostOptions = {}): Promise<OpusHost> {
  const host = new HeapHost(options);
  await host.start();
  return host;
}

class HeapHost implements OpusHost {
  readonly #load: () => Promise<OpusModule>;
  readonly #onBroken: (reason: Error) => void;
  readonly #heaps = new Set<OpusHeap>();
  readonly #spares: OpusModule[] = [];
  readonly #open = new Set<HeapStream>();
  #isPreparing = false;
  #isClosed = false;
  /** Why there is no spare heap. */
  #failure: unknown;

  constructor(options: OpusHostOptions) {
    this.#load = options.load ?? loadOpusModule;
    this.#onBroken = options.onBroken ?? (() => undefined);
  }

  get streams(): number {
    return this.#open.size;
  }

  open(channels: 1 | 2): OpusStream {
    if (this.#isClosed) throw new Error("the Opus host is closed");
    const [heap, decoder] = this.#take(channels);
    const stream = new HeapStream(heap, decoder, () => this.#open.delete(stream));
    this.#open.add(stream);
    return stream;
  }

  close(): void {
    this.#isClosed = true;
    for (const stream of this.#open) stream.close();
    this.#heaps.clear();
    this.#spares.length = 0;
  }

  /** A heap for each channel count, and the spare ones. */
  async start(): Promise<void> {
    await this.#prepare();
    for (const channels of [1, 2] as const) this.#adoptSpare(channels);
    await this.#prepare();
  }

  /** Loads spare heaps up to their number; rejects if that fails. */
  async #prepare(): Promise<void> {
    this.#isPreparing = true;
    try {
      while (this.#spares.length < spareHeaps && !this.#isClosed) this.#spares.push(await this.#load());
      this.#failure = undefined;
    } finally {
      this.#isPreparing = false;
    }
  }

  #take(channels: 1 | 2): readonly [OpusHeap, number] {
    for (const heap of this.#heaps) {
      const decoder = heap.channels === channels ? heap.take() : undefined;
      if (decoder !== undefined) return [heap, decoder];
    }
    const heap = this.#adoptSpare(channels);
    this.#prepareInBackground();
    const decoder = heap?.take();
    if (heap !== undefined && decoder !== undefined) return [heap, decoder];
    throw new Fault("at_capacity", "no Opus decoder is free yet", { cause: this.#failure, retryAfterMs });
  }

  #adoptSpare(channels: 1 | 2): OpusHeap | undefined {
    const spare = this.#spares.pop();
    if (spare === undefined) return undefined;
    const heap = new OpusHeap(spare, channels, (reason) => {
      this.#heaps.delete(heap);
      this.#onBroken(reason);
    });
    this.#heaps.add(heap);
    return heap;
  }

  #prepareInBackground(): void {
    if (this.#isPreparing) return;
    this.#prepare().catch((reason: unknown) => {
      // Tried again by the next stream that finds no room; that one's fault carries the reason.
      this.#failure = reason;
    });
  }
}

class HeapStream implements OpusStream {
  readonly #heap: OpusHeap;
  readonly #onClose: () => void;
  #decoder: number | undefined;

  constructor(heap: OpusHeap, decoder: number, onClose: () => void) {
    this.#heap = heap;
    this.#decoder = decoder;
    this.#onClose = onClose;
  }

  decode(packet: Uint8Array): readonly Float32Array[] | undefined {
    if (this.#decoder === undefined) throw new Error("the Opus stream is closed");
    return this.#heap.decode(this.#decoder, packet);
  }

  close(): void {
    if (this.#decoder === undefined) return;
    this.#heap.give(this.#decoder);
    this.#decoder = undefined;
    this.#onClose();
  }
}
