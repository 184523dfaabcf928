import { crc32 } from "node:zlib";

/** How an archive departs from the plain one that PyTorch writes. */
export interface ZipShape {
  /** Sizes and offsets only in the Zip64 fields, as in archives beyond 4 GiB. */
  readonly wide?: boolean;
  /** What the directory says of an entry instead. */
  readonly claim?: Readonly<
    Record<string, { bytes?: number; header?: number; method?: number; crc?: number }>
  >;
}

/** An archive as PyTorch writes it: stored entries, sizes in the directory alone, data on multiples of 64 bytes. */
export function zipBytes(
  entries: readonly (readonly [name: string, bytes: Uint8Array])[],
  shape: ZipShape = {},
): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, bytes] of entries) {
    const claim = shape.claim?.[name];
    const facts = { name, bytes: bytes.length, header: at, method: 0, crc: crc32(bytes), ...claim };
    central.push(centralEntry(facts, shape.wide ?? false));
    const local = localEntry(name, bytes, at);
    parts.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(central);
  return Buffer.concat([
    ...parts,
    directory,
    ending(entries.length, directory.length, at, shape.wide ?? false),
  ]);
}

function localEntry(name: string, bytes: Uint8Array, at: number): Buffer {
  const head = Buffer.alloc(30);
  const padding = 4 + (((-(at + 30 + name.length + 4) % 64) + 64) % 64);
  head.write("PK\x03\x04", "latin1");
  head.writeUInt16LE(0x0808, 6);
  head.writeUInt16LE(name.length, 26);
  head.writeUInt16LE(padding, 28);
  const extra = Buffer.alloc(padding, "Z");
  extra.write("FB");
  extra.writeUInt16LE(padding - 4, 2);
  const descriptor = Buffer.alloc(16);
  descriptor.write("PK\x07\x08", "latin1");
  descriptor.writeUInt32LE(crc32(bytes), 4);
  descriptor.writeUInt32LE(bytes.length, 8);
  descriptor.writeUInt32LE(bytes.length, 12);
  return Buffer.concat([head, Buffer.from(name), extra, bytes, descriptor]);
}

interface EntryFacts {
  readonly name: string;
  readonly bytes: number;
  readonly header: number;
  readonly method: number;
  readonly crc: number;
}

function centralEntry({ name, bytes, header, method, crc }: EntryFacts, wide: boolean): Buffer {
  const head = Buffer.alloc(46);
  head.write("PK\x01\x02", "latin1");
  head.writeUInt16LE(0x0808, 8);
  head.writeUInt16LE(method, 10);
  head.writeUInt32LE(crc, 16);
  head.writeUInt32LE(wide ? 0xffff_ffff : bytes, 20);
  head.writeUInt32LE(wide ? 0xffff_ffff : bytes, 24);
  head.writeUInt16LE(name.length, 28);
  head.writeUInt32LE(wide ? 0xffff_ffff : header, 42);
  if (!wide) return Buffer.concat([head, Buffer.from(name)]);
  // An extra field of another kind first: it must be skipped.
  const extra = Buffer.alloc(6 + 28);
  extra.writeUInt16LE(0x5455, 0);
  extra.writeUInt16LE(2, 2);
  extra.writeUInt16LE(1, 6);
  extra.writeUInt16LE(24, 8);
  [bytes, bytes, header].forEach((value, i) => extra.writeBigUInt64LE(BigInt(value), 10 + 8 * i));
  head.writeUInt16LE(extra.length, 30);
  return Buffer.concat([head, Buffer.from(name), extra]);
}

function ending(entries: number, bytes: number, start: number, wide: boolean): Buffer {
  const long = Buffer.alloc(56);
  long.write("PK\x06\x06", "latin1");
  long.writeBigUInt64LE(44n, 4);
  [entries, entries, bytes, start].forEach((value, i) => long.writeBigUInt64LE(BigInt(value), 24 + 8 * i));
  const locator = Buffer.alloc(20);
  locator.write("PK\x06\x07", "latin1");
  locator.writeBigUInt64LE(BigInt(start + bytes), 8);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(wide ? 0xffff : entries, 8);
  end.writeUInt16LE(wide ? 0xffff : entries, 10);
  end.writeUInt32LE(wide ? 0xffff_ffff : bytes, 12);
  end.writeUInt32LE(wide ? 0xffff_ffff : start, 16);
  return Buffer.concat([long, locator, end]);
}
