/** Waits between restarts: none after success, then doubling from 100 ms to 10 s, each scattered by a half. */
export class Backoff {
  #failures = 0;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  succeed(): void {
    this.#failures = 0;
  }

  /** Milliseconds to wait before the next try. */
  fail(): number {
    const failures = this.#failures++;
    if (failures === 0) return 0;
    return Math.min(10_000, 100 * 2 ** Math.min(failures - 1, 20)) * (0.75 + this.#random() * 0.5);
  }
}
