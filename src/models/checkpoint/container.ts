import type { StorageRef } from "./values.ts";

/** Where a storage's bytes lie in the file. */
export interface StoragePlace {
  readonly position: number;
  readonly bytes: number;
  /** CRC-32 of the whole storage, where the container has one. */
  readonly crc: number | undefined;
}

/** What either kind of file comes down to: an object tree and a place for each storage in it. */
export interface Container {
  readonly root: unknown;
  /** Throws Malformed for a storage that is not there or has another size than the tree says. */
  place(storage: StorageRef): Promise<StoragePlace>;
}
