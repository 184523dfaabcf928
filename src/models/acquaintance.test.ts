import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Acquaintance } from "./acquaintance.ts";
import { Job } from "./job.ts";

const job = (track: number | undefined): Job =>
  new Job(
    {
      kind: "audio",
      data: new Float32Array(1),
      place: track === undefined ? undefined : { track, start: 0 },
    },
    new AbortController().signal,
    false,
    () => undefined,
  );

describe("acquaintance", () => {
  it("is with whoever had a track last, and with nobody else", () => {
    const acquaintance = new Acquaintance<string>(10);
    acquaintance.note("a", [job(1), job(2), job(undefined)]);
    acquaintance.note("b", [job(2)]);
    assert.deepEqual(
      ["a", "b"].map((worker) => [1, 2, 3, undefined].map((track) => acquaintance.has(worker, job(track)))),
      [
        [true, false, false, false],
        [false, true, false, false],
      ],
    );
  });

  it("goes with the tracks that were longest without a window", () => {
    const acquaintance = new Acquaintance<string>(2);
    for (const track of [1, 2, 1, 3]) acquaintance.note("a", [job(track)]);
    assert.deepEqual(
      [1, 2, 3].map((track) => acquaintance.has("a", job(track))),
      [true, false, true],
    );
  });
});
