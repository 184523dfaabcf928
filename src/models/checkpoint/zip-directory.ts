import { Malformed, quoted } from "./errors.ts";
import type { CheckpointLimits } from "./limits.ts";
import type { RangedFile } from "./ranged-file.ts";

/** A stored (uncompressed) file of an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Where its local header stands. */
  readonly header: number;
  readonly bytes: number;
  readonly crc: number;
  /** The first byte that cannot be the entry's: the next header, or the directory. */
  readonly end: number;
}

const endBytes = 22;
const locatorBytes = 20;
const end64Bytes = 56;
const localBytes = 30;
const centralBytes = 46;
const full16 = 0xffff;
const full32 = 0xffff_ffff;
const nameLimit = 1024;
const incomplete = "is damaged: the archive's directory is incomplete";

/**
 * Reads an archive's central directory (with or without Zip64), and nothing of its entries.
 * Throws Malformed unless every entry is stored, lies inside the file, overlaps no other and has a name of its own.
 */
export async function readZipDirectory(
  file: RangedFile,
  limits: CheckpointLimits,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const { entries, start, bytes } = await findDirectory(file);
  if (entries > limits.storages)
    throw new Malformed(`is an archive of ${entries} files, over ${limits.storages}`);
  if (bytes > limits.directoryBytes || bytes < entries * centralBytes) {
    throw new Malformed(`is damaged: its archive lists ${entries} files in ${bytes} bytes`);
  }
  const directory = viewOf(await file.read(start, bytes));
  const found: Omit<ZipEntry, "end">[] = [];
  let at = 0;
  for (let i = 0; i < entries; i += 1) {
    const { entry, next } = centralEntry(directory, at);
    found.push(entry);
    at = next;
  }
  return apart(found, start);
}

/** Where an entry's bytes start: its local header says how much of it comes first. */
export async function dataStart(file: RangedFile, entry: ZipEntry): Promise<number> {
  const local = viewOf(await file.read(entry.header, localBytes));
  const name = quoted(entry.name);
  if (local.getUint32(0, true) !== 0x0403_4b50)
    throw new Malformed(`is damaged: no entry ${name} where it should be`);
  const start = entry.header + localBytes + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + entry.bytes > entry.end) throw new Malformed(`is damaged: entry ${name} runs into the next`);
  return start;
}

interface DirectoryPlace {
  readonly entries: number;
  readonly start: number;
  readonly bytes: number;
}

async function findDirectory(file: RangedFile): Promise<DirectoryPlace> {
  const length = Math.min(file.size, endBytes + full16 + locatorBytes);
  const tailStart = file.size - length;
  const tail = viewOf(await file.read(tailStart, length));
  const end = findEnd(tail);
  if (end === undefined) throw new Malformed("is cut short or damaged: the archive has no directory");
  const short = {
    entries: tail.getUint16(end + 10, true),
    bytes: tail.getUint32(end + 12, true),
    start: tail.getUint32(end + 16, true),
  };
  const locator = end - locatorBytes;
  const long = locator >= 0 && tail.getUint32(locator, true) === 0x0706_4b50;
  const place = long ? await readEnd64(file, tail, locator) : short;
  const agrees = [
    [short.entries, place.entries, full16],
    [short.bytes, place.bytes, full32],
    [short.start, place.start, full32],
  ].every(([value, other, full]) => value === other || value === full);
  if (!agrees) throw new Malformed("is damaged: the archive has two directories");
  if (place.start + place.bytes > tailStart + end)
    throw new Malformed("is damaged: its directory lies outside the archive");
  return place;
}

/** The last end record whose comment reaches exactly to the end of the file. */
function findEnd(tail: DataView): number | undefined {
  for (let at = tail.byteLength - endBytes; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== 0x0605_4b50) continue;
    if (at + endBytes + tail.getUint16(at + 20, true) === tail.byteLength) return at;
  }
  return undefined;
}

async function readEnd64(file: RangedFile, tail: DataView, locator: number): Promise<DirectoryPlace> {
  const record = viewOf(await file.read(u64(tail, locator + 8), end64Bytes));
  if (record.getUint32(0, true) !== 0x0606_4b50)
    throw new Malformed("is damaged: the archive has no Zip64 directory");
  return { entries: u64(record, 32), bytes: u64(record, 40), start: u64(record, 48) };
}

function centralEntry(directory: DataView, at: number): { entry: Omit<ZipEntry, "end">; next: number } {
  const extra = at + centralBytes + lengthAt(directory, at, 28);
  const extraEnd = extra + lengthAt(directory, at, 30);
  const next = extraEnd + lengthAt(directory, at, 32);
  if (
    next > directory.byteLength ||
    extra - at > nameLimit ||
    directory.getUint32(at, true) !== 0x0201_4b50
  ) {
    throw new Malformed(incomplete);
  }
  const name = textOf(directory, at + centralBytes, extra);
  const [compressed, bytes, header] = sizes(directory, at, extra, extraEnd);
  if (directory.getUint16(at + 10, true) !== 0 || compressed !== bytes) {
    throw new Malformed(`is no checkpoint as PyTorch writes it: entry ${quoted(name)} is compressed`);
  }
  if ((directory.getUint16(at + 8, true) & 1) !== 0)
    throw new Malformed(`is encrypted: entry ${quoted(name)}`);
  return { entry: { name, header, bytes, crc: directory.getUint32(at + 16, true) }, next };
}

function lengthAt(directory: DataView, at: number, field: number): number {
  if (at + centralBytes > directory.byteLength) throw new Malformed(incomplete);
  return directory.getUint16(at + field, true);
}

/** Compressed size, size and header's offset, each from the Zip64 extra where the 32-bit field is full. */
function sizes(
  directory: DataView,
  at: number,
  extra: number,
  extraEnd: number,
): readonly [number, number, number] {
  let wide = zip64Extra(directory, extra, extraEnd);
  const take = (field: number): number => {
    const narrow = directory.getUint32(at + field, true);
    if (narrow !== full32) return narrow;
    if (wide === undefined || wide.at + 8 > wide.end)
      throw new Malformed("is damaged: a Zip64 size is missing");
    const value = u64(directory, wide.at);
    wide = { at: wide.at + 8, end: wide.end };
    return value;
  };
  const bytes = take(24);
  const compressed = take(20);
  return [compressed, bytes, take(42)];
}

function zip64Extra(
  directory: DataView,
  start: number,
  end: number,
): { at: number; end: number } | undefined {
  for (let at = start; at + 4 <= end;) {
    const next = at + 4 + directory.getUint16(at + 2, true);
    if (next > end) return undefined;
    if (directory.getUint16(at, true) === 1) return { at: at + 4, end: next };
    at = next;
  }
  return undefined;
}

/** The entries by name, each ended by whatever comes next. */
function apart(found: readonly Omit<ZipEntry, "end">[], directory: number): ReadonlyMap<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  const inOrder = [...found].sort((a, b) => a.header - b.header);
  for (const [i, entry] of inOrder.entries()) {
    const name = quoted(entry.name);
    const end = inOrder[i + 1]?.header ?? directory;
    if (entry.header + localBytes + entry.bytes > end) {
      throw new Malformed(
        `is damaged: entry ${name} of ${entry.bytes} bytes runs into the next or out of the archive`,
      );
    }
    if (entries.has(entry.name)) throw new Malformed(`is damaged: the archive has two entries ${name}`);
    entries.set(entry.name, { ...entry, end });
  }
  return entries;
}

/** What no file is long enough for is as good as infinite. */
const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const textOf = (view: DataView, start: number, end: number): string =>
  Buffer.from(view.buffer, view.byteOffset + start, end - start).toString("utf8");
