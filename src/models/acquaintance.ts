import type { Job } from "./job.ts";

/** Who had the latest window of each track; the tracks that were longest without one are forgotten first. */
export class Acquaintance<W> {
  readonly #most: number;
  readonly #lastOf = new Map<number, W>();

  /** Remembers so many tracks at the most. */
  constructor(most: number) {
    this.#most = most;
  }

  has(worker: W, { content: { place } }: Job): boolean {
    return place !== undefined && this.#lastOf.get(place.track) === worker;
  }

  note(worker: W, jobs: readonly Job[]): void {
    for (const { content } of jobs) {
      if (content.place === undefined) continue;
      this.#lastOf.delete(content.place.track);
      this.#lastOf.set(content.place.track, worker);
    }
    for (const track of this.#lastOf.keys()) {
      if (this.#lastOf.size <= this.#most) break;
      this.#lastOf.delete(track);
    }
  }
}
