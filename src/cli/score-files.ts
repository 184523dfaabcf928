import { InOrder } from "./in-order.ts";
import { Progress } from "./progress.ts";
import { count } from "./table.ts";
import type { Unread } from "./unread.ts";

/** How recordings are scored and printed. */
export interface Scoring<Result> {
  /** Files at a time. */
  readonly atOnce: number;
  readonly score: (file: string) => Promise<Result | Unread>;
  readonly print: (result: Result | Unread) => void;
  /** For people who wait: `files` says how many are done. */
  readonly describe: (files: string) => string;
}

/**
 * Scores recordings and prints them in the order given; resolves to the exit status, 1 when one could not be scored.
 * Rejects for bugs alone.
 */
export async function scoreFiles<Result extends object>(
  files: readonly string[],
  { atOnce, score, print, describe }: Scoring<Result>,
): Promise<number> {
  let done = 0;
  let unread = 0;
  const progress = new Progress(() => describe(`${done} of ${count(files.length, "file")}`));
  const give = (result: Result | Unread): void => {
    progress.clear();
    print(result);
    done++;
    if ("error" in result) unread++;
  };
  try {
    await new InOrder(atOnce, give).run(files.map((file) => () => score(file)));
  } finally {
    progress.close();
  }
  if (unread > 0)
    console.error(`earwitness: ${count(unread, "file")} of ${files.length} could not be scored`);
  return unread > 0 ? 1 : 0;
}
