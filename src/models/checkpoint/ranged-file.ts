import { open, stat, type FileHandle } from "node:fs/promises";
import { Malformed } from "./errors.ts";

/** The most that one call asks of the system, which itself takes less than 2 GiB. */
const piece = 1 << 26;

/** A regular file of known size, read by ranges; nothing outside a range asked for is touched. */
export class RangedFile {
  readonly size: number;
  readonly #handle: FileHandle;
  #bytesRead = 0;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  /** Opens a file for reading. Throws what the system throws, and Malformed on what is no regular file. */
  static async open(path: string): Promise<RangedFile> {
    // Opening a pipe would wait for somebody to write to it.
    if (!(await stat(path)).isFile()) throw new Malformed("is not a file");
    const handle = await open(path, "r");
    try {
      return new RangedFile(handle, (await handle.stat()).size);
    } catch (reason) {
      await handle.close();
      throw reason;
    }
  }

  /** Bytes read so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Reads exactly `length` bytes into memory of their own. Throws Malformed where the file has fewer. */
  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (!(position >= 0 && length >= 0 && position + length <= this.size)) {
      throw new Malformed(
        `is cut short: bytes ${position} to ${position + length} of ${this.size} are wanted`,
      );
    }
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const { bytesRead } = await this.#handle.read(bytes, at, Math.min(piece, length - at), position + at);
      if (bytesRead === 0)
        throw new Malformed(`became shorter while it was read: it ends at byte ${position + at}`);
      at += bytesRead;
      this.#bytesRead += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
