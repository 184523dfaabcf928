import { OpusDecoder } from "opus-decoder";

/** One WebAssembly instance of libopus: a heap of fixed size, and the calls that work in it. */
export interface OpusModule {
  readonly memory: ArrayBuffer;
  /** An address, or 0 when the heap is full. */
  malloc(bytes: number): number;
  free(address: number): void;
  /** A decoder's handle, for 16 kHz. Traps when the heap is full. `mapping` is the address of the channels' numbers. */
  createDecoder(channels: number, mapping: number): number;
  /** Samples per channel written to `out`, one channel after the other; an error of libopus when negative. */
  decode(decoder: number, packet: number, length: number, out: number): number;
}

const outputRate = 16_000;
/** Mode CELT, fullband, mono, 20 ms, no sound. */
const silentPacket = Uint8Array.of(0xf8);

/**
 * Instantiates the WebAssembly of `opus-decoder`, whose public interface gives a decoder a heap of its own (28 MiB of
 * address space), through private fields that let many decoders share one. Its version is pinned for that reason.
 * Rejects when the package is not built as expected.
 */
export async function loadOpusModule(): Promise<OpusModule> {
  const decoder = new OpusDecoder({ channels: 2, sampleRate: outputRate });
  await decoder.ready;
  // libopus may allocate what all decoders share on first use; that must not happen between two of ours.
  decoder.decodeFrame(silentPacket);
  const wasm = field(field(decoder, "_common"), "wasm");
  const memory = field(wasm, "HEAP");
  if (!(memory instanceof ArrayBuffer)) throw notAsExpected("HEAP");
  const malloc = exported(wasm, "malloc");
  const free = exported(wasm, "free");
  const create = exported(wasm, "opus_frame_decoder_create");
  const decode = exported(wasm, "opus_frame_decode_float_deinterleaved");
  return {
    memory,
    malloc: (bytes) => malloc(bytes),
    free: (address) => void free(address),
    createDecoder: (channels, mapping) => create(outputRate, channels, 1, channels - 1, mapping, 0, 0),
    decode: (handle, packet, length, out) => decode(handle, packet, length, out),
  };
}

type WasmFunction = (...args: readonly number[]) => number;

function exported(wasm: unknown, name: string): WasmFunction {
  const found = field(wasm, name);
  if (typeof found !== "function") throw notAsExpected(name);
  // WebAssembly exports take and give numbers alone.
  return found as WasmFunction;
}

function field(of: unknown, name: string): unknown {
  if (typeof of !== "object" || of === null || !(name in of)) throw notAsExpected(name);
  return Reflect.get(of, name);
}

function notAsExpected(name: string): Error {
  return new Error(`opus-decoder is not the version this was built for: ${name} is missing`);
}
