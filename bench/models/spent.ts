/**
 * Milliseconds spent up to now, to take differences of. Where one thread computes they are the processor's, which
 * other programs on the machine hardly lengthen; the work of several threads is over when the last has ended, by the clock.
 */
export function spentMs(threads: number): number {
  return threads === 1 ? processorMs() : performance.now();
}

/** Milliseconds that the threads of this process have computed, all together. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
