export interface PageParts {
  readonly serial?: number;
  readonly sequence: number;
  /** 1 continues a packet, 2 is a stream's first page, 4 its last. */
  readonly flags?: number;
  readonly granule: number;
  readonly packets: readonly Uint8Array[];
  /** The last packet goes on on the next page. */
  readonly open?: boolean;
}

/** One page of an Ogg file, with its checksum. */
export function oggPage({
  serial = 1,
  sequence,
  flags = 0,
  granule,
  packets,
  open = false,
}: PageParts): Buffer {
  const lacing = packets.flatMap((packet, i) => {
    const full = Array.from({ length: Math.floor(packet.length / 255) }, () => 255);
    return open && i === packets.length - 1 ? full : [...full, packet.length % 255];
  });
  const page = Buffer.concat([Buffer.alloc(27), Buffer.from(lacing), ...packets]);
  page.write("OggS", 0, "latin1");
  page[5] = flags;
  page.writeBigInt64LE(BigInt(granule), 6);
  page.writeUInt32LE(serial, 14);
  page.writeUInt32LE(sequence, 18);
  page[26] = lacing.length;
  page.writeUInt32LE(checksum(page), 22);
  return page;
}

/** Bit by bit: slow, and nothing like the code under test. */
function checksum(page: Uint8Array): number {
  let crc = 0n;
  for (const byte of page) {
    crc ^= BigInt(byte) << 24n;
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 0x80000000n ? ((crc << 1n) ^ 0x104c11db7n) & 0xffffffffn : crc << 1n;
  }
  return Number(crc);
}

/** An OpusHead packet. */
export function opusHead(channels: number, preSkip: number, gainDb = 0, family = 0): Uint8Array {
  const head = Buffer.alloc(19);
  head.write("OpusHead", 0, "latin1");
  head[8] = 1;
  head[9] = channels;
  head.writeUInt16LE(preSkip, 10);
  head.writeUInt32LE(48_000, 12);
  head.writeInt16LE(Math.round(gainDb * 256), 16);
  head[18] = family;
  return head;
}

export const opusTags: Uint8Array = Buffer.from("OpusTags\0\0\0\0\0\0\0\0", "latin1");
