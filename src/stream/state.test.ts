import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { detection } from "../../test/support/fakes.ts";
import { type StateName } from "./events.ts";
import { nextState } from "./state.ts";

function walk(from: StateName, p: number, windows = 5): StateName {
  const state =
    from === "undecided" ? { state: from, reason: "inconclusive" as const } : { state: from, reason: null };
  return nextState(state, p, windows, detection.thresholds).state;
}

describe("nextState", () => {
  it("enters and leaves each state at its own threshold", () => {
    const table: [StateName, number, StateName][] = [
      ["undecided", 0.79, "undecided"],
      ["undecided", 0.8, "suspect"],
      ["undecided", 0.95, "spoof"],
      ["undecided", 0.2, "bonafide"],
      ["suspect", 0.5, "suspect"],
      ["suspect", 0.49, "undecided"],
      ["suspect", 0.95, "spoof"],
      ["spoof", 0.8, "spoof"],
      ["spoof", 0.79, "suspect"],
      ["spoof", 0.49, "undecided"],
      ["spoof", 0.1, "bonafide"],
      ["bonafide", 0.21, "undecided"],
      ["bonafide", 0.8, "suspect"],
    ];
    for (const [from, p, to] of table) assert.equal(walk(from, p), to, `${from} at ${p}`);
  });

  it("needs two windows for spoof", () => {
    assert.equal(walk("undecided", 0.99, 1), "suspect");
    assert.equal(walk("undecided", 0.99, 2), "spoof");
  });

  it("never goes from bonafide to spoof in one step", () => {
    assert.equal(walk("bonafide", 1), "suspect");
  });
});
