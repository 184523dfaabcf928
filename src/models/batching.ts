/**
 * How many of `waiting` windows the next worker should take, when `idle` workers are free to share them.
 * A CPU's time grows with the batch, so there none is padded: the largest size that the windows fill.
 * A GPU's hardly does: the smallest size that holds them all, padded.
 */
export function batchSize(sizes: readonly number[], waiting: number, idle: number, gpu: boolean): number {
  const largest = sizes.at(-1) ?? 1;
  const share = Math.min(Math.ceil(waiting / Math.max(1, idle)), largest);
  return gpu ? share : (sizes.findLast((size) => size <= share) ?? 1);
}
