import { Malformed } from "./errors.ts";
import type { CheckpointLimits } from "./limits.ts";

/** The values of a pickle that are not stored yet, in the stretches that marks divide. */
export class PickleStack {
  readonly #values: unknown[] = [];
  readonly #marks: number[] = [];
  readonly #limits: CheckpointLimits;

  constructor(limits: CheckpointLimits) {
    this.#limits = limits;
  }

  push(value: unknown): void {
    if (this.#values.length >= this.#limits.stack) {
      throw new Malformed(`stacks more than ${this.#limits.stack} values of its object tree`);
    }
    this.#values.push(value);
  }

  /** The newest value since the last mark. Throws Malformed where there is none, as every reader of values here. */
  top(): unknown {
    if (this.#values.length <= this.#floor) throw new Malformed("is damaged: its object tree lacks a value");
    return this.#values.at(-1);
  }

  pop(): unknown {
    const value = this.top();
    this.#values.length -= 1;
    return value;
  }

  mark(): void {
    if (this.#marks.length >= this.#limits.marks)
      throw new Malformed(`nests deeper than ${this.#limits.marks}`);
    this.#marks.push(this.#values.length);
  }

  /** The values since the last mark, which goes with them. */
  popToMark(): unknown[] {
    const start = this.#marks.pop();
    if (start === undefined) throw new Malformed("is damaged: its object tree lacks a mark");
    return this.#values.splice(start);
  }

  /** Drops the newest value, or the mark if nothing stands above it. */
  drop(): void {
    if (this.#marks.length > 0 && this.#values.length === this.#floor) this.#marks.pop();
    else this.pop();
  }

  get #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }
}
