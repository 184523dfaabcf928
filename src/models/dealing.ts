import type { Job } from "./job.ts";

/** A worker that is free, and how many windows it should take. */
export interface Hand<W> {
  readonly worker: W;
  readonly size: number;
}

export interface Dealt<W> {
  readonly dealt: readonly { readonly worker: W; readonly jobs: readonly Job[] }[];
  readonly rest: readonly Job[];
  readonly displaced: boolean;
}

/**
 * Gives the jobs, in their order, to as many places as the hands have together. A hand takes first those that it
 * `prefers`, then whichever are left; all that it gets are of one kind. `rest` waits on, `displaced` for its kind alone.
 */
export function deal<W>(
  jobs: readonly Job[],
  hands: readonly Hand<W>[],
  prefers: (worker: W, job: Job) => boolean,
): Dealt<W> {
  const places = hands.reduce((sum, { size }) => sum + size, 0);
  const left = new Set(jobs.slice(0, places));
  const takers = hands.map(({ worker, size }) => {
    const wanted = [...left].filter((job) => prefers(worker, job));
    return { worker, size, jobs: take(left, size, wanted) };
  });
  for (const taker of takers) taker.jobs.push(...take(left, taker.size - taker.jobs.length, [...left]));
  const dealt = takers
    .map(({ worker, jobs: taken }) => ({ worker, jobs: ofOneKind(taken) }))
    .filter((one) => one.jobs.length > 0);
  const gone = new Set(dealt.flatMap((one) => one.jobs));
  const rest = jobs.filter((job) => !gone.has(job));
  return { dealt, rest, displaced: gone.size < Math.min(places, jobs.length) };
}

function take(left: Set<Job>, most: number, wanted: readonly Job[]): Job[] {
  const taken = wanted.slice(0, most);
  for (const job of taken) left.delete(job);
  return taken;
}

/** The one that waited longest says which. */
function ofOneKind(jobs: readonly Job[]): readonly Job[] {
  const [first] = [...jobs].sort((a, b) => a.queuedAt - b.queuedAt);
  return jobs.filter((job) => job.content.kind === first?.content.kind);
}
