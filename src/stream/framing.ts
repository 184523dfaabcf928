import { Fault } from "./errors.ts";

/** Cuts a byte stream into whole frames, whatever its split into chunks. */
export class FrameCutter {
  readonly #bytesPerFrame: number;
  #rest = new Uint8Array(0);

  constructor(bytesPerFrame: number) {
    this.#bytesPerFrame = bytesPerFrame;
  }

  /** The frames that `chunk` completes, for as long as `chunk` is valid; what is left over is copied. */
  take(chunk: Uint8Array): Uint8Array {
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk);
    const whole = bytes.length - (bytes.length % this.#bytesPerFrame);
    this.#rest = bytes.slice(whole);
    return bytes.subarray(0, whole);
  }

  /** Drops a partial frame and says how many bytes it had. */
  drop(): number {
    const dropped = this.#rest.length;
    this.#rest = new Uint8Array(0);
    return dropped;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** Throws a `bad_message` Fault unless `bytes` is a whole number of frames. */
export function assertWholeFrames(bytes: Uint8Array, bytesPerFrame: number): void {
  if (bytes.length % bytesPerFrame === 0) return;
  throw new Fault(
    "bad_message",
    `a packet of ${bytes.length} bytes is not a whole number of ${bytesPerFrame}-byte frames`,
    { details: { packet_bytes: bytes.length, frame_bytes: bytesPerFrame } },
  );
}

/** One packet of one channel, with the sender's own count of packets and samples, both mod 2³². */
export interface SequencedPacket {
  readonly channel: number;
  readonly seq: number;
  readonly mediaTimestamp: number;
  /** A view of the chunk. */
  readonly payload: Uint8Array;
}

const headerBytes = 12;
const headerVersion = 1;

/**
 * Reads `u8 version = 1 | u8 channel | u16 flags = 0 | u32 seq | u32 media_timestamp`, big-endian, before a payload.
 * Throws a `bad_message` Fault on anything else.
 */
export function readSequenced(chunk: Uint8Array, channels: number): SequencedPacket {
  if (chunk.length < headerBytes) {
    throw new Fault(
      "bad_message",
      `${chunk.length} bytes are too few for a ${headerBytes}-byte packet header`,
    );
  }
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const version = view.getUint8(0);
  const channel = view.getUint8(1);
  const flags = view.getUint16(2);
  if (version !== headerVersion) throw new Fault("bad_message", `packet header of version ${version}, not 1`);
  if (channel >= channels) throw new Fault("bad_message", `packet for channel ${channel} of ${channels}`);
  if (flags !== 0) throw new Fault("bad_message", `packet header with flags ${flags}, not 0`);
  return {
    channel,
    seq: view.getUint32(4),
    mediaTimestamp: view.getUint32(8),
    payload: chunk.subarray(headerBytes),
  };
}
