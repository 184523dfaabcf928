const range = 2 ** 32;

/**
 * A sequence of draws that a seed from 0 to 2³²−1 fixes, on every machine and in every language. The state rises by
 * 0x9E3779B9 (modulo 2³²) before each draw, and a draw is the state mixed by z ^= z ≫ 16, z ·= 0x21F0AAAD, z ^= z ≫ 15,
 * z ·= 0x735A2D97, z ^= z ≫ 15. Good enough to shuffle with, and no secret.
 */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next 32 bits. */
  bits(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** One of 0 … `count`−1, each as likely as the others: the bits modulo `count`, without those of the last, partial round. */
  below(count: number): number {
    const whole = range - (range % count);
    for (;;) {
      const bits = this.bits();
      if (bits < whole) return bits % count;
    }
  }
}
