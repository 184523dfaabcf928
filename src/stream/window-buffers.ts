/** Buffers kept for reuse, of each length: a few batches' worth. */
const maxKept = 64;

const kept = new Map<number, Float32Array[]>();

/*
 * A window is a quarter of a megabyte outside the heap. Allocated anew, hundreds a second make the collector run
 * several times a second; handed on, none.
 */

/** A buffer of zeros. Its holder may keep it, or give it back with {@link giveBuffer} when nobody reads it any more. */
export function takeBuffer(length: number): Float32Array {
  return kept.get(length)?.pop() ?? new Float32Array(length);
}

/** Wipes the buffer, so that no audio outlives its use, and keeps it for the next window. */
export function giveBuffer(buffer: Float32Array): void {
  if (buffer.length === 0) return;
  const free = kept.get(buffer.length) ?? [];
  if (free.length >= maxKept) return;
  buffer.fill(0);
  free.push(buffer);
  kept.set(buffer.length, free);
}
