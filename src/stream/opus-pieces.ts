import { Fault } from "./errors.ts";
import { parseOpusPacket } from "./opus-packet.ts";
import { toPieces } from "./pcm.ts";
import type { GapCause, Piece } from "./ports.ts";
import type { Samples } from "./units.ts";
import { hertz, samples } from "./units.ts";

/** What Opus timestamps and durations count, whatever was encoded (RFC 6716, RFC 7587). */
export const opusClock = hertz(48000);
/** What an {@link OpusStream} gives. */
export const opusOutputRate = hertz(16000);
const clockPerSample = opusClock / opusOutputRate;

/** Opens decoders for the Opus streams of many sessions. */
export interface OpusCodec {
  open(channels: 1 | 2): OpusStream;
}

/** One Opus decoder's state. Synchronous; must not throw on any bytes. */
export interface OpusStream {
  /** One packet → one block per channel at 16 kHz, the caller's to keep; `undefined` if it is broken. Does not keep `packet`. */
  decode(packet: Uint8Array): readonly Float32Array[] | undefined;
  close(): void;
}

const packetsJudged = 50;
const assumedDuration = samples(960);

/** Whether a sender's packets are mostly sound: one for a session, over all its channels. */
export class PacketHealth {
  readonly #broken = new Uint8Array(packetsJudged);
  #seen = 0;
  #brokenCount = 0;

  /** Throws an `undecodable_audio` Fault once more than half of the last 50 packets were broken. */
  add(isBroken: boolean): void {
    const place = this.#seen++ % packetsJudged;
    this.#brokenCount += Number(isBroken) - (this.#broken[place] ?? 0);
    this.#broken[place] = Number(isBroken);
    if (this.#seen < packetsJudged || this.#brokenCount <= packetsJudged / 2) return;
    throw new Fault(
      "undecodable_audio",
      `${this.#brokenCount} of the last ${packetsJudged} Opus packets are broken`,
      { details: { broken_packets: this.#brokenCount, packets: packetsJudged } },
    );
  }
}

/**
 * Opus packets → pieces. A broken packet is an `undecodable` gap of the duration it claims, or of the packet before it.
 * A DTX packet is a `dtx` gap, since what a decoder invents for it is nobody's voice; the decoder hears it all the same.
 */
export class OpusPackets {
  readonly #stream: OpusStream;
  readonly #channels: readonly number[];
  readonly #health: PacketHealth;
  #lastDuration: Samples = assumedDuration;
  #isClosed = false;

  constructor(stream: OpusStream, channels: readonly number[], health: PacketHealth) {
    this.#stream = stream;
    this.#channels = channels;
    this.#health = health;
  }

  /** At the Opus clock. */
  duration(packet: Uint8Array): Samples {
    if (packet.length === 0) return samples(0);
    this.#lastDuration = parseOpusPacket(packet)?.duration ?? this.#lastDuration;
    return this.#lastDuration;
  }

  /** `duration` as {@link duration} gave it; the first `overlap` of it was already covered and is not given again. */
  read(packet: Uint8Array, duration: Samples, overlap: Samples): Piece[] {
    if (packet.length === 0) return [];
    const shape = parseOpusPacket(packet);
    const blocks = shape === undefined ? undefined : this.#decode(packet, duration);
    this.#health.add(blocks === undefined);
    if (blocks === undefined) return this.#gap(duration - overlap, "undecodable");
    if (shape?.dtx === true) return this.#gap(duration - overlap, "dtx");
    const skipped = Math.ceil(overlap / clockPerSample);
    // A third of a sample cannot be given: what is left of it is a hole, so that the clock stays exact.
    const hole = this.#gap(Math.min(skipped * clockPerSample, duration) - overlap, "loss");
    return [
      ...hole,
      ...this.#channels.flatMap((channel, i) =>
        toPieces(channel, (blocks[i] ?? new Float32Array(0)).slice(skipped)).map(atOpusClock),
      ),
    ];
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.close();
  }

  /** A decoder that gives another length than the packet claims has not understood it. */
  #decode(packet: Uint8Array, duration: Samples): readonly Float32Array[] | undefined {
    const blocks = this.#stream.decode(packet);
    const isWhole =
      blocks?.length === this.#channels.length &&
      blocks.every((block) => block.length * clockPerSample === duration);
    return isWhole ? blocks : undefined;
  }

  #gap(length: number, cause: GapCause): Piece[] {
    if (length <= 0) return [];
    return this.#channels.map((channel) => ({ kind: "gap", channel, length: samples(length), cause }));
  }
}

const atOpusClock = (piece: Piece): Piece =>
  piece.kind === "gap" ? { ...piece, length: samples(piece.length * clockPerSample) } : piece;
