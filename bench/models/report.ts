/** The table of `bench:models`: a line for each part and number of threads. */
import { threadCounts, type Measured, type Setting, type Threads } from "./measure.ts";
import type { Part } from "./parts.ts";

/** GFLOP/s of a large product, by threads. */
export type Peaks = Readonly<Record<Threads, number>>;

const columns = [30, 8, 16, 16, 8, 9, 7] as const;

const line = (...cells: readonly string[]): void => {
  console.log(
    cells.map((cell, i) => (i === 0 ? cell.padEnd(columns[0]) : cell.padStart(columns[i] ?? 0))).join(" "),
  );
};

export function heading(): void {
  console.log(
    "\nms for one window of 4.04 s, medians, in batches of 1 / 2 / 4; ratios of the fastest of each.\n" +
      "With 1 thread they are the processor's, with 2 they are by the clock",
  );
  line("part", "threads", "ours", "PyTorch", "ratio", "GFLOP/s", "share");
}

/** Prints a part's lines, and how far both sides agree. */
export function printPart(part: Part, { timings, agreement }: Measured, peaks: Peaks): void {
  for (const threads of threadCounts) {
    const of = (by: Setting["by"]): number[] =>
      timings.filter((one) => one.by === by && one.threads === threads).map(({ ms }) => ms);
    const [ours, theirs] = [of("ours"), of("torch")];
    const rate = part.gflop / (Math.min(...ours) / 1000);
    line(
      threads === 1 ? part.title : "",
      String(threads),
      list(ours),
      list(theirs) || "-",
      theirs.length === 0 ? "-" : (Math.min(...theirs) / Math.min(...ours)).toFixed(2),
      rate.toFixed(0),
      `${((100 * rate) / peaks[threads]).toFixed(0)} %`,
    );
  }
  if (agreement !== undefined) console.log(`  both sides: ${agreement}`);
}

const list = (ms: readonly number[]): string =>
  ms.map((value) => value.toFixed(value < 100 ? 1 : 0)).join(" / ");
