import { ByteQueue } from "./byte-queue.ts";
import { damaged } from "./file-reader.ts";

/** The packets that end on one page of an Ogg file, with what the page says of them. */
export interface OggPage {
  readonly serial: number;
  readonly first: boolean;
  readonly last: boolean;
  /** The codec's position after the page's last whole packet; `undefined` when none ends here. */
  readonly granule: number | undefined;
  /** A packet that is longer than is held comes as `undefined`. */
  readonly packets: readonly (Uint8Array | undefined)[];
}

const headerBytes = 27;
/** No Opus packet is longer (RFC 7845 §6); a long comment or cover picture is of no interest. */
const maxPacketBytes = 61_440;

const maxStreams = 64;

/** One logical stream: the next page's number and the packet that goes on there. */
interface Stream {
  next: number;
  continued: Continued | undefined;
}

interface Continued {
  readonly pieces: Uint8Array[];
  bytes: number;
}

/** Cuts an Ogg file (RFC 3533) into pages and their packets, and checks each page's order and CRC. */
export class OggDemuxer {
  readonly #queue = new ByteQueue();
  readonly #streams = new Map<number, Stream>();

  /** Throws `undecodable_audio` Faults. Must be run to its end. */
  *push(chunk: Uint8Array): Generator<OggPage> {
    this.#queue.append(chunk);
    for (;;) {
      const bytes = this.#queue.view();
      if (bytes.length < headerBytes) return;
      if (!startsPage(bytes)) throw damaged("there is no Ogg page where one should start");
      const bodyAt = headerBytes + (bytes[26] ?? 0);
      if (bytes.length < bodyAt) return;
      const lacing = bytes.subarray(headerBytes, bodyAt);
      const end = bodyAt + lacing.reduce((sum, length) => sum + length, 0);
      if (bytes.length < end) return;
      const page = this.#readPage(bytes.subarray(0, end), lacing);
      this.#queue.skip(end);
      yield page;
    }
  }

  #readPage(bytes: Uint8Array, lacing: Uint8Array): OggPage {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(22, true) !== crc32(bytes)) throw damaged("an Ogg page's checksum does not match");
    const flags = view.getUint8(5);
    const serial = view.getUint32(14, true);
    const granule = view.getBigInt64(6, true);
    return {
      serial,
      first: (flags & 2) !== 0,
      last: (flags & 4) !== 0,
      granule: granule < 0n ? undefined : Number(granule),
      packets: this.#packets(bytes, lacing, serial, view.getUint32(18, true)),
    };
  }

  #packets(bytes: Uint8Array, lacing: Uint8Array, serial: number, number: number): OggPage["packets"] {
    const stream = this.#follow(bytes[5] ?? 0, serial, number);
    const packets: (Uint8Array | undefined)[] = [];
    let at = headerBytes + lacing.length;
    for (const length of lacing) {
      const packet = (stream.continued ??= { pieces: [], bytes: 0 });
      packet.bytes += length;
      if (packet.bytes <= maxPacketBytes) packet.pieces.push(bytes.slice(at, at + length));
      at += length;
      if (length === 255) continue;
      packets.push(packet.bytes <= maxPacketBytes ? joined(packet) : undefined);
      stream.continued = undefined;
    }
    return packets;
  }

  /** Checks that the page is its stream's next one. */
  #follow(flags: number, serial: number, number: number): Stream {
    const stream = this.#streams.get(serial) ?? { next: number, continued: undefined };
    this.#streams.set(serial, stream);
    if (this.#streams.size > maxStreams) throw damaged("an Ogg file of too many streams");
    if (flags & 2) stream.continued = undefined;
    else if (number !== stream.next) throw damaged("a page of the Ogg file is missing");
    if (((flags & 1) !== 0) !== (stream.continued !== undefined))
      throw damaged("an Ogg packet is cut in two");
    stream.next = (number + 1) % 2 ** 32;
    return stream;
  }
}

const startsPage = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x4f && bytes[1] === 0x67 && bytes[2] === 0x67 && bytes[3] === 0x53 && bytes[4] === 0;

function joined({ pieces, bytes }: Continued): Uint8Array {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const packet = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    packet.set(piece, at);
    at += piece.length;
  }
  return packet;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** Over the page with its own checksum (bytes 22–25) taken as zero. */
function crc32(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= 22 && i < 26 ? 0 : (page[i] ?? 0);
    crc = (crc << 8) ^ (crcTable[(crc >>> 24) ^ byte] ?? 0);
  }
  return crc >>> 0;
}
