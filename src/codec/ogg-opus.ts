import { Fault } from "../stream/errors.ts";
import { parseOpusPacket } from "../stream/opus-packet.ts";
import {
  opusClock,
  opusOutputRate,
  OpusPackets,
  PacketHealth,
  type OpusCodec,
} from "../stream/opus-pieces.ts";
import type { Piece } from "../stream/ports.ts";
import { samples, type Samples } from "../stream/units.ts";
import { damaged, fileFormat, type FileFormat, type FileReader } from "./file-reader.ts";
import { OggDemuxer, type OggPage } from "./ogg.ts";
import { readOpusHead, type OpusHead } from "./ogg-opus-head.ts";

/** One logical stream: from its OpusHead to its last page. */
interface Link {
  readonly serial: number;
  readonly head: OpusHead;
  /** The comment packet lies behind. */
  tagged: boolean;
  /** Of the decoded samples, at the Opus clock; what lies before `pre-skip` is not part of the recording. */
  position: number;
  /** The granule position at which decoding started; known after the first page of audio. */
  base: number | undefined;
}

/**
 * Reads Ogg Opus (RFC 7845) with the decoder that live streams have, so that both give the same samples: decoded to
 * 16 kHz, pre-skip and end trimming honoured, a broken or DTX packet a gap. Of several streams side by side the first is
 * read; streams one after the other are joined.
 */
export class OggOpusReader implements FileReader {
  readonly #codec: OpusCodec;
  readonly #demuxer = new OggDemuxer();
  readonly #health = new PacketHealth();
  #packets: OpusPackets | undefined;
  #link: Link | undefined;
  #format: FileFormat | undefined;

  constructor(codec: OpusCodec) {
    this.#codec = codec;
  }

  get format(): FileFormat | undefined {
    return this.#format;
  }

  *push(chunk: Uint8Array): Generator<Piece> {
    for (const page of this.#demuxer.push(chunk)) {
      if (this.#link === undefined) this.#open(page);
      else if (page.serial === this.#link.serial) {
        yield* this.#readPage(page, this.#link);
        if (page.last) this.#link = undefined;
      }
    }
  }

  // A generator, like every reader's, although whole packets are given at once.
  *flush(): Generator<Piece> {
    if (this.#format === undefined) throw damaged("the Ogg file ends before its audio");
  }

  close(): void {
    this.#packets?.close();
    this.#packets = undefined;
  }

  #open(page: OggPage): void {
    const head = page.first ? readOpusHead(page.packets[0]) : undefined;
    if (head === undefined) return;
    const { rate, channels, codec } = fileFormat(opusOutputRate, head.channels, "opus");
    if (this.#format !== undefined && this.#format.channels !== channels) {
      throw new Fault("unsupported_audio", "an Ogg file that changes its number of channels");
    }
    this.#format = { rate, clock: opusClock, channels, codec };
    this.close();
    this.#packets = new OpusPackets(this.#codec.open(channels), channels === 2 ? [0, 1] : [0], this.#health);
    this.#link = { serial: page.serial, head, tagged: false, position: 0, base: undefined };
  }

  *#readPage(page: OggPage, link: Link): Generator<Piece> {
    const packets = link.tagged ? page.packets : page.packets.slice(1);
    if (page.packets.length > 0) link.tagged = true;
    const known = packets.filter((packet) => packet !== undefined);
    if (known.length < packets.length) throw damaged("an Opus packet that is too long");
    if (known.length === 0) return;
    const end = this.#endOf(page, link, known);
    for (const packet of known) yield* this.#readPacket(packet, link, end);
  }

  /** Where, in decoded samples at the Opus clock, the recording ends: nowhere before its last page. */
  #endOf(page: OggPage, link: Link, packets: readonly Uint8Array[]): number {
    const granule = page.granule ?? 0;
    const length = packets.reduce((sum, packet) => sum + (parseOpusPacket(packet)?.duration ?? 0), 0);
    link.base ??= page.last ? 0 : Math.max(0, granule - length);
    return page.last && page.granule !== undefined ? granule - link.base : Infinity;
  }

  *#readPacket(packet: Uint8Array, link: Link, end: number): Generator<Piece> {
    const duration = this.#packets?.duration(packet) ?? samples(0);
    const from = Math.max(0, link.head.preSkip - link.position);
    const to = Math.min(duration, end - link.position);
    link.position += duration;
    // Decoded in any case: a decoder's state is the sum of what it heard.
    const pieces = this.#packets?.read(packet, duration, samples(0)) ?? [];
    for (const piece of pieces) {
      const part = cut(piece, from, to);
      if (part !== undefined) yield amplified(part, link.head.gain);
    }
  }
}

const clockPerSample = opusClock / opusOutputRate;

/** The part of a packet's piece that lies in [from, to) of its packet, at the Opus clock. */
function cut(piece: Piece, from: number, to: number): Piece | undefined {
  if (from >= to) return undefined;
  if (piece.kind === "gap") {
    return { ...piece, length: Math.min(piece.length, to - from) as Samples };
  }
  const first = Math.round(from / clockPerSample);
  const part = piece.samples.subarray(first, Math.round(to / clockPerSample));
  return part.length === 0 ? undefined : { ...piece, samples: part };
}

function amplified(piece: Piece, gain: number): Piece {
  if (piece.kind === "gap" || gain === 1) return piece;
  return { ...piece, samples: piece.samples.map((x) => Math.max(-1, Math.min(1, x * gain))) };
}
