/** What the encoder is to make of its input. */
export interface OpusEncoderOptions {
  /** Of the PCM handed in, in Hz. The packets' own clock is 48 kHz whatever this says. */
  readonly rate: 8000 | 12000 | 16000 | 24000 | 48000;
  readonly channels: 1 | 2;
  /** What one packet carries, in milliseconds. */
  readonly frameMs: 2.5 | 5 | 10 | 20 | 40 | 60 | 80 | 100 | 120;
  /** In bit/s; libopus's own choice for the rate and channels when left out. */
  readonly bitrate?: number;
  /** Lets silence shrink to packets of one or two bytes. Off unless asked for: it deletes evidence. */
  readonly dtx?: boolean;
  /** Repeats each frame, coarsely, in the next one, as for a line that loses a tenth of its packets. */
  readonly fec?: boolean;
}

/** One stream's encoder; packets must reach the decoder in the order they were made. */
export interface OpusEncoder {
  /** One packet of exactly `frameMs`, from interleaved samples. Throws RangeError for any other length. */
  encode(pcm: Int16Array): Uint8Array;
  /** Idempotent; nothing may be encoded afterwards. */
  close(): void;
}

/** The part of `@evan/opus` that is used: its own types do not resolve under `nodenext`. */
interface NativeEncoder {
  bitrate: number;
  dtx: boolean;
  inband_fec: boolean;
  packet_loss: number;
  encode(pcm: Int16Array): Uint8Array;
}

type NativeEncoderClass = new (options: {
  readonly channels: 1 | 2;
  readonly sample_rate: number;
  readonly application: "voip";
}) => NativeEncoder;

/** A variable, so that the compiler does not look for types; the package is loaded by the first encoder. */
const packageName: string = "@evan/opus";
const expectedLossPercent = 10;

/** A speech encoder (libopus, application `voip`). Loads its codec on first use; rejects where none can be loaded. */
export async function createOpusEncoder(options: OpusEncoderOptions): Promise<OpusEncoder> {
  const Encoder = encoderClass(await import(packageName));
  const native = new Encoder({
    channels: options.channels,
    sample_rate: options.rate,
    application: "voip",
  });
  if (options.bitrate !== undefined) native.bitrate = options.bitrate;
  native.dtx = options.dtx ?? false;
  native.inband_fec = options.fec ?? false;
  // Without expected loss libopus spends no bits on the repeat.
  native.packet_loss = options.fec === true ? expectedLossPercent : 0;
  return new PacketEncoder(native, ((options.rate * options.frameMs) / 1000) * options.channels);
}

class PacketEncoder implements OpusEncoder {
  #native: NativeEncoder | undefined;
  readonly #length: number;

  constructor(native: NativeEncoder, length: number) {
    this.#native = native;
    this.#length = length;
  }

  encode(pcm: Int16Array): Uint8Array {
    if (this.#native === undefined) throw new Error("the Opus encoder is closed");
    if (pcm.length !== this.#length) {
      throw new RangeError(`an Opus frame takes ${this.#length} samples, not ${pcm.length}`);
    }
    return this.#native.encode(pcm);
  }

  close(): void {
    // The package frees the codec's state with the object that holds it.
    this.#native = undefined;
  }
}

function encoderClass(loaded: unknown): NativeEncoderClass {
  const found: unknown =
    typeof loaded === "object" && loaded !== null && "Encoder" in loaded ? loaded.Encoder : undefined;
  if (typeof found !== "function") throw new Error(`${packageName} has no Encoder`);
  // Its shape is the package's documented interface, which the type system cannot see.
  return found as NativeEncoderClass;
}
