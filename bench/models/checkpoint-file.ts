/** PyTorch's archive, written one storage at a time: a gigabyte of it never is in memory. */
import { open, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { pickle } from "../../test/support/pickle-bytes.ts";

/** The bytes of a storage, made when it is its turn; a storage may come in several pieces. */
export interface StoredBytes {
  readonly key: string;
  readonly pieces: () => Iterable<Uint8Array>;
}

interface Written {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
  readonly crc: number;
}

/** Writes the object tree `tree`, whose storages are `storages`, to `path`; gives the file's size. */
export async function writeCheckpoint(
  path: string,
  tree: unknown,
  storages: Iterable<StoredBytes>,
): Promise<number> {
  const file = await open(path, "w");
  try {
    const archive = new Archive(file);
    await archive.add("archive/data.pkl", [pickle(tree)]);
    await archive.add("archive/byteorder", [Buffer.from("little")]);
    for (const { key, pieces } of storages) await archive.add(`archive/data/${key}`, pieces());
    await archive.add("archive/version", [Buffer.from("3\n")]);
    return await archive.end();
  } finally {
    await file.close();
  }
}

/** Entries are stored as they are, on multiples of 64 bytes, their sizes in the directory alone. */
class Archive {
  readonly #file: FileHandle;
  readonly #written: Written[] = [];
  #at = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(name: string, pieces: Iterable<Uint8Array>): Promise<void> {
    const at = this.#at;
    const head = Buffer.alloc(30);
    const padding = 4 + (((-(at + 34 + name.length) % 64) + 64) % 64);
    head.write("PK\x03\x04", "latin1");
    head.writeUInt16LE(0x0808, 6);
    head.writeUInt16LE(name.length, 26);
    head.writeUInt16LE(padding, 28);
    const extra = Buffer.alloc(padding, "Z");
    extra.write("FB");
    extra.writeUInt16LE(padding - 4, 2);
    await this.#write(Buffer.concat([head, Buffer.from(name), extra]));
    let [crc, bytes] = [0, 0];
    for (const piece of pieces) {
      crc = crc32(piece, crc);
      bytes += piece.length;
      await this.#write(piece);
    }
    const descriptor = Buffer.alloc(16);
    descriptor.write("PK\x07\x08", "latin1");
    [crc, bytes, bytes].forEach((value, i) => descriptor.writeUInt32LE(value, 4 + 4 * i));
    await this.#write(descriptor);
    this.#written.push({ name, at, bytes, crc });
  }

  async end(): Promise<number> {
    const start = this.#at;
    for (const entry of this.#written) await this.#write(directoryEntry(entry));
    const ending = Buffer.alloc(22);
    ending.write("PK\x05\x06", "latin1");
    const count = this.#written.length;
    ending.writeUInt16LE(count, 8);
    ending.writeUInt16LE(count, 10);
    ending.writeUInt32LE(this.#at - start, 12);
    ending.writeUInt32LE(start, 16);
    await this.#write(ending);
    return this.#at;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += (await this.#file.write(bytes, at, bytes.length - at, this.#at + at)).bytesWritten;
    }
    this.#at += bytes.length;
  }
}

function directoryEntry({ name, at, bytes, crc }: Written): Buffer {
  const head = Buffer.alloc(46);
  head.write("PK\x01\x02", "latin1");
  head.writeUInt16LE(0x0808, 8);
  head.writeUInt32LE(crc, 16);
  head.writeUInt32LE(bytes, 20);
  head.writeUInt32LE(bytes, 24);
  head.writeUInt16LE(name.length, 28);
  head.writeUInt32LE(at, 42);
  return Buffer.concat([head, Buffer.from(name)]);
}
