import type { FileFormat, FileReader } from "../../src/codec/file-reader.ts";

/** All that a reader gave. */
export interface Collected {
  readonly format: FileFormat;
  /** Holes are NaN. */
  readonly channels: readonly Float32Array[];
}

/** Reads `bytes` through `reader`, `step` at a time. */
export function collect(reader: FileReader, bytes: Uint8Array, step = bytes.length): Collected {
  const values: number[][] = [[], []];
  function* pieces() {
    for (let at = 0; at < bytes.length; at += step) yield* reader.push(bytes.subarray(at, at + step));
    yield* reader.flush();
  }
  try {
    for (const piece of pieces()) {
      const channel = values[piece.channel] ?? [];
      if (piece.kind === "audio") for (const x of piece.samples) channel.push(x);
      else {
        const { rate, clock } = reader.format ?? { rate: 1, clock: 1 };
        for (let i = 0; i < Math.round((piece.length * rate) / clock); i++) channel.push(NaN);
      }
    }
  } finally {
    reader.close();
  }
  if (reader.format === undefined) throw new Error("no format");
  const channels = values.slice(0, reader.format.channels).map((channel) => Float32Array.from(channel));
  return { format: reader.format, channels };
}

/** The bytes of a recording of synthesised sound in test/fixtures/audio. */
export const soundFile = (name: string): URL => new URL(`../fixtures/audio/${name}`, import.meta.url);
