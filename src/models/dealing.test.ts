import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deal, type Hand } from "./dealing.ts";
import { Job } from "./job.ts";

const signal = new AbortController().signal;
const audio = (track: number): Job =>
  new Job(
    { kind: "audio", data: new Float32Array(1), place: { track, start: 0 } },
    signal,
    false,
    () => undefined,
  );
const codes = (): Job =>
  new Job({ kind: "codes", data: new Int32Array(1), place: undefined }, signal, false, () => undefined);

const hands: readonly Hand<string>[] = [
  { worker: "a", size: 2 },
  { worker: "b", size: 2 },
];
const nobody = (): boolean => false;

describe("dealing", () => {
  it("gives the first jobs in their order", () => {
    const jobs = [1, 2, 3, 4, 5].map(audio);
    const { dealt, rest, displaced } = deal(jobs, hands, nobody);
    assert.deepEqual(dealt, [
      { worker: "a", jobs: jobs.slice(0, 2) },
      { worker: "b", jobs: jobs.slice(2, 4) },
    ]);
    assert.deepEqual(rest, jobs.slice(4));
    assert.equal(displaced, false);
  });

  it("gives a worker what it prefers, and nobody waits longer for that", () => {
    const jobs = [1, 2, 3, 4, 5].map(audio);
    const prefers = (worker: string, { content }: Job): boolean =>
      worker === "a" && [2, 4, 5].includes(content.place?.track ?? 0);
    const { dealt, rest } = deal(jobs, hands, prefers);
    assert.deepEqual(dealt[0]?.jobs, [jobs[1], jobs[3]]);
    assert.deepEqual(dealt[1]?.jobs, [jobs[0], jobs[2]]);
    assert.deepEqual(rest, [jobs[4]]);
  });

  it("never mixes kinds, and says that some wait for that", () => {
    const jobs = [audio(1), codes(), audio(2), audio(3), codes()];
    const { dealt, rest, displaced } = deal(jobs, hands, nobody);
    assert.deepEqual(dealt[0]?.jobs, [jobs[0]]);
    assert.deepEqual(dealt[1]?.jobs, [jobs[2], jobs[3]]);
    assert.deepEqual(rest, [jobs[1], jobs[4]]);
    assert.equal(displaced, true);
  });

  it("gives nothing to a hand that nothing is left for", () => {
    const only = audio(1);
    assert.deepEqual(deal([only], hands, nobody).dealt, [{ worker: "a", jobs: [only] }]);
    assert.deepEqual(deal([], [], nobody), { dealt: [], rest: [], displaced: false });
  });
});
