import type { OpusModule } from "./opus-module.ts";

/** The longest packet that is decoded: 48 frames of 1,275 bytes with their lengths, and some padding. */
export const maxOpusPacketBytes = 65_536;

/** 120 ms at 48 kHz, which is the room libopus is told of whatever the rate. */
const outputSamples = 5760;
/** 120 ms at 16 kHz: no packet leaves more in a decoder's output buffer. */
const heardSamples = 1920;
/** What a decoder's handle points to, with the allocator's word behind it: the next decoder's memory starts here. */
const handleBytes = 40;
const allocatorBytes = 16;
/** The number of each channel in a byte, and room for a word of libopus's. */
const mappingBytes = 16;
/** Never carved into decoders: one created in a heap that is full traps, and the trap takes its neighbours along. */
const marginBytes = 512 * 1024;

/**
 * Decoders of one channel count in one WebAssembly heap, carved one behind the other and never freed: a decoder that
 * is given back is overwritten with the bytes of a new one, which also wipes what it heard. `opus-decoder` cannot free
 * one without losing its output buffer.
 */
export class OpusHeap {
  readonly channels: 1 | 2;
  readonly #module: OpusModule;
  readonly #mapping: number;
  readonly #input: Uint8Array;
  readonly #output: Float32Array;
  readonly #bytes: Uint8Array;
  /** A decoder as created, from its output buffer's end up to its handle. */
  readonly #pristine: Uint8Array;
  /** From one decoder's handle to the next one's. */
  readonly #stride: number;
  readonly #free: number[];
  #last: number;
  readonly #onBroken: (reason: Error) => void;
  #isBroken = false;

  /**
   * Throws when decoders do not lie in the heap as expected. `onBroken` is told once if libopus traps: that leaves the
   * instance's stack as it was, so that nothing in it can be used any more.
   */
  constructor(module: OpusModule, channels: 1 | 2, onBroken: (reason: Error) => void) {
    this.channels = channels;
    this.#module = module;
    this.#onBroken = onBroken;
    this.#bytes = new Uint8Array(module.memory);
    reserve(module);
    this.#input = new Uint8Array(module.memory, module.malloc(maxOpusPacketBytes), maxOpusPacketBytes);
    this.#output = new Float32Array(
      module.memory,
      module.malloc(outputSamples * channels * Float32Array.BYTES_PER_ELEMENT),
      outputSamples * channels,
    );
    this.#mapping = module.malloc(mappingBytes);
    const [before, first, second] = [this.#create(), this.#create(), this.#create()];
    this.#stride = first - before;
    this.#last = second;
    this.#free = [second, first];
    const region = this.#region(first);
    const isUniform =
      this.#stride > handleBytes &&
      second - first === this.#stride &&
      Buffer.compare(region, this.#region(second)) === 0;
    // The output buffer comes first. It is still zeros, but for what the allocator left in its first words.
    const buffer = region.subarray(0, outputSamples * channels * Float32Array.BYTES_PER_ELEMENT);
    const isUnused = buffer.subarray(allocatorBytes).every((byte) => byte === 0);
    if (!isUniform || !isUnused) throw notAsExpected();
    // Much of the buffer is never touched, and so need not become resident.
    this.#pristine = region.slice(buffer.length);
  }

  /** A decoder as new, or `undefined` when there is no room or the heap is broken. */
  take(): number | undefined {
    return this.#isBroken ? undefined : (this.#free.pop() ?? this.#carve());
  }

  give(decoder: number): void {
    if (this.#isBroken) return;
    this.#reset(decoder);
    this.#free.push(decoder);
  }

  /** At 16 kHz, one block per channel, in [-1, 1]; `undefined` when libopus refuses the packet or the heap is broken. */
  decode(decoder: number, packet: Uint8Array): readonly Float32Array[] | undefined {
    // libopus takes an empty packet for a lost one and makes up 120 ms of sound.
    if (this.#isBroken || packet.length === 0 || packet.length > maxOpusPacketBytes) return undefined;
    this.#input.set(packet);
    const input = this.#input.byteOffset;
    const length = this.#guard(() =>
      this.#module.decode(decoder, input, packet.length, this.#output.byteOffset),
    );
    if (length === undefined || length <= 0) return undefined;
    const blocks: Float32Array[] = [];
    for (let channel = 0; channel < this.channels; channel++) {
      const block = clamped(this.#output, channel * length, length);
      if (block !== undefined) blocks.push(block);
    }
    if (blocks.length === this.channels) return blocks;
    // What is not a number stays in the decoder's filters for good.
    this.#reset(decoder);
    return undefined;
  }

  #carve(): number | undefined {
    if (this.#last + this.#stride + marginBytes > this.#bytes.length) return undefined;
    const decoder = this.#guard(() => this.#create());
    if (decoder === undefined) return undefined;
    if (decoder !== this.#last + this.#stride) throw notAsExpected();
    this.#last = decoder;
    return decoder;
  }

  #create(): number {
    // Before every one: creating a decoder leaves zeros here, which would make both channels the left one.
    this.#bytes.set([0, 1].slice(0, this.channels), this.#mapping);
    return this.#module.createDecoder(this.channels, this.#mapping);
  }

  #region(decoder: number): Uint8Array {
    return this.#bytes.subarray(decoder - this.#stride + handleBytes, decoder);
  }

  #reset(decoder: number): void {
    this.#region(decoder).fill(0, 0, heardSamples * this.channels * Float32Array.BYTES_PER_ELEMENT);
    this.#bytes.set(this.#pristine, decoder - this.#pristine.length);
  }

  #guard(call: () => number): number | undefined {
    try {
      return call();
    } catch (reason) {
      this.#isBroken = true;
      this.#onBroken(new Error("libopus trapped", { cause: reason }));
      return undefined;
    }
  }
}

/** Lets the allocator grow once: growing by steps, it would leave marks of its own where decoders will lie. */
function reserve(module: OpusModule): void {
  const all = module.malloc(module.memory.byteLength - marginBytes);
  if (all === 0) throw notAsExpected();
  module.free(all);
}

/** A copy in [-1, 1]: libopus gives up to 137 for bytes that were never sound. `undefined` if not all are numbers. */
function clamped(source: Float32Array, from: number, length: number): Float32Array | undefined {
  const out = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    const x = source[from + i] ?? 0;
    if (Number.isNaN(x)) return undefined;
    out[i] = x > 1 ? 1 : x < -1 ? -1 : x;
  }
  return out;
}

function notAsExpected(): Error {
  return new Error(
    "opus-decoder is not the version this was built for: its decoders are laid out differently",
  );
}
