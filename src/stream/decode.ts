import { checkFormat } from "./decode-format.ts";
import { Fault } from "./errors.ts";
import { assertWholeFrames, FrameCutter, readSequenced } from "./framing.ts";
import type { Ordered } from "./jitter.ts";
import { ReorderBuffer } from "./jitter.ts";
import type { OpusCodec } from "./opus-pieces.ts";
import { opusOutputRate, OpusPackets, PacketHealth } from "./opus-pieces.ts";
import type { PcmEncoding } from "./pcm.ts";
import { bytesPerSample, readFrames } from "./pcm.ts";
import type { AudioFormat, Decoder, Piece } from "./ports.ts";
import type { Hertz, Samples } from "./units.ts";
import { samples } from "./units.ts";

/** Reads packets of some of a session's channels, each on its own. */
interface PacketReader {
  /** At the source's clock; throws a `bad_message` Fault for a packet that cannot be one. */
  duration(packet: Uint8Array): Samples;
  read(packet: Uint8Array, duration: Samples, overlap: Samples): Piece[];
  close(): void;
}

/**
 * The {@link Decoder} for a format; `opus` may be absent where Opus is not to be decoded. A chunk of no bytes is
 * ignored in every framing. Throws an `unsupported_audio` Fault for a format that {@link checkFormat} refuses.
 */
export function createDecoder(format: AudioFormat, opus: OpusCodec | undefined): Decoder {
  const understood = checkFormat(format);
  const { framing, channels } = understood;
  const rate = understood.encoding === "opus" ? opusOutputRate : understood.rate;
  const openReader = readerFor(understood, opus);
  switch (framing) {
    case "raw":
      return new RawDecoder(rate, bytesPerFrame(understood), openReader(allOf(channels)));
    case "packet":
      return new PacketDecoder(rate, openReader(allOf(channels)));
    case "sequenced":
      return new SequencedDecoder(
        rate,
        openEach(allOf(channels), openReader).map(
          (reader, channel) => new SequencedChannel(channel, reader, understood.rate),
        ),
      );
  }
}

const allOf = (channels: 1 | 2): readonly number[] => (channels === 1 ? [0] : [0, 1]);
const nothing: readonly Piece[] = [];

function bytesPerFrame(format: AudioFormat): number {
  return format.encoding === "opus" ? 1 : bytesPerSample[format.encoding] * format.channels;
}

function readerFor(
  format: AudioFormat,
  opus: OpusCodec | undefined,
): (channels: readonly number[]) => PacketReader {
  const { encoding } = format;
  if (encoding !== "opus") return (channels) => new PcmPackets(encoding, channels);
  if (opus === undefined) throw new Fault("unsupported_audio", "Opus is not decoded here");
  const health = new PacketHealth();
  return (channels) => new OpusPackets(opus.open(channels.length === 2 ? 2 : 1), channels, health);
}

/** One reader per channel, or none at all if one cannot be had. */
function openEach(
  channels: readonly number[],
  openReader: (channels: readonly number[]) => PacketReader,
): PacketReader[] {
  const readers: PacketReader[] = [];
  try {
    for (const channel of channels) readers.push(openReader([channel]));
  } catch (reason) {
    for (const reader of readers) reader.close();
    throw reason;
  }
  return readers;
}

class PcmPackets implements PacketReader {
  readonly #encoding: PcmEncoding;
  readonly #channels: readonly number[];
  readonly #bytesPerFrame: number;

  constructor(encoding: PcmEncoding, channels: readonly number[]) {
    this.#encoding = encoding;
    this.#channels = channels;
    this.#bytesPerFrame = bytesPerSample[encoding] * channels.length;
  }

  duration(packet: Uint8Array): Samples {
    assertWholeFrames(packet, this.#bytesPerFrame);
    return samples(packet.length / this.#bytesPerFrame);
  }

  read(packet: Uint8Array, _duration: Samples, overlap: Samples): Piece[] {
    return readFrames(this.#encoding, packet.subarray(overlap * this.#bytesPerFrame), this.#channels);
  }

  close(): void {
    // Holds nothing.
  }
}

class RawDecoder implements Decoder {
  readonly rate: Hertz;
  readonly #cutter: FrameCutter;
  readonly #reader: PacketReader;

  constructor(rate: Hertz, frameBytes: number, reader: PacketReader) {
    this.rate = rate;
    this.#cutter = new FrameCutter(frameBytes);
    this.#reader = reader;
  }

  push(chunk: Uint8Array): readonly Piece[] {
    return readWhole(this.#reader, this.#cutter.take(chunk));
  }

  /** Less than a frame can be left: it is dropped, and whoever counts the bytes pushed can tell. */
  flush(): readonly Piece[] {
    this.#cutter.drop();
    return nothing;
  }

  close(): void {
    this.#reader.close();
  }
}

class PacketDecoder implements Decoder {
  readonly rate: Hertz;
  readonly #reader: PacketReader;

  constructor(rate: Hertz, reader: PacketReader) {
    this.rate = rate;
    this.#reader = reader;
  }

  push(chunk: Uint8Array): readonly Piece[] {
    return readWhole(this.#reader, chunk);
  }

  flush(): readonly Piece[] {
    return nothing;
  }

  close(): void {
    this.#reader.close();
  }
}

const readWhole = (reader: PacketReader, packet: Uint8Array): Piece[] =>
  reader.read(packet, reader.duration(packet), samples(0));

class SequencedDecoder implements Decoder {
  readonly rate: Hertz;
  readonly #channels: readonly SequencedChannel[];

  constructor(rate: Hertz, channels: readonly SequencedChannel[]) {
    this.rate = rate;
    this.#channels = channels;
  }

  push(chunk: Uint8Array): readonly Piece[] {
    if (chunk.length === 0) return nothing;
    const packet = readSequenced(chunk, this.#channels.length);
    return this.#channels[packet.channel]?.push(packet) ?? nothing;
  }

  flush(): readonly Piece[] {
    return this.#channels.flatMap((channel) => channel.flush());
  }

  close(): void {
    for (const channel of this.#channels) channel.close();
  }
}

/** A channel's own order and its own reader: its packets say nothing about the other channel's. */
class SequencedChannel {
  readonly #channel: number;
  readonly #reader: PacketReader;
  readonly #order: ReorderBuffer;

  constructor(channel: number, reader: PacketReader, clock: Hertz) {
    this.#channel = channel;
    this.#reader = reader;
    this.#order = new ReorderBuffer(clock);
  }

  push(packet: { seq: number; mediaTimestamp: number; payload: Uint8Array }): Piece[] {
    const { seq, mediaTimestamp, payload } = packet;
    return this.#read(
      this.#order.push({ seq, mediaTimestamp, payload, duration: this.#reader.duration(payload) }),
    );
  }

  flush(): Piece[] {
    return this.#read(this.#order.flush());
  }

  close(): void {
    this.#reader.close();
  }

  #read(ordered: readonly Ordered[]): Piece[] {
    return ordered.flatMap((next): Piece[] =>
      next.kind === "gap"
        ? [{ kind: "gap", channel: this.#channel, length: next.length, cause: next.cause }]
        : this.#reader.read(next.payload, next.duration, next.overlap),
    );
  }
}
