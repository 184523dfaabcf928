/** Runs work several at a time and hands on what it gives in the order it was listed in. */
export class InOrder<T> {
  readonly #atOnce: number;
  readonly #give: (result: T) => void;

  constructor(atOnce: number, give: (result: T) => void) {
    this.#atOnce = atOnce;
    this.#give = give;
  }

  /** Rejects with the first thing that fails; what had been started goes on unheard. */
  async run(work: readonly (() => Promise<T>)[]): Promise<void> {
    const waiting = new Map<number, T>();
    let started = 0;
    let given = 0;
    const lane = async (): Promise<void> => {
      for (let index = started++; index < work.length; index = started++) {
        const start = work[index];
        if (start === undefined) return;
        waiting.set(index, await start());
        for (let next = waiting.get(given); next !== undefined; next = waiting.get(given)) {
          waiting.delete(given++);
          this.#give(next);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#atOnce }, lane));
  }
}
