import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { Refusal } from "./refusal.ts";

/** A trial's LLR, or null where there was nothing to judge. */
export type TrialScore = number | null;

/**
 * The scores of one condition, in a file that grows by a line whenever a trial is done, so that a run which was broken
 * off can be gone on with. Its head says what the scores are of.
 */
export class ScoreFile {
  readonly path: string;
  readonly #scores: Map<string, TrialScore>;
  readonly #file: number;

  /** Goes on with a file of the same head, or begins one. Throws {@link Refusal} where the head is another's. */
  constructor(path: string, facts: Readonly<Record<string, string | number>>) {
    this.path = path;
    const head = headOf(facts);
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    const isNew = !text.includes("\n");
    if (!isNew && !text.startsWith(head)) throw new Refusal(`${path} ${differenceOf(text, head)}`);
    // A line that was broken off with the run is not a score.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole));
    this.#scores = isNew ? new Map<string, TrialScore>() : scoresIn(whole, path);
    this.#file = openSync(path, "a");
    if (isNew) writeSync(this.#file, head);
  }

  get size(): number {
    return this.#scores.size;
  }

  /** `undefined` for a trial that is not done. */
  get(trial: string): TrialScore | undefined {
    return this.#scores.get(trial);
  }

  add(trial: string, llr: TrialScore): void {
    writeSync(this.#file, `${trial}\t${llr === null ? nothing : llr.toFixed(decimals)}\n`);
    this.#scores.set(trial, llr === null ? null : Number(llr.toFixed(decimals)));
  }

  close(): void {
    closeSync(this.#file);
  }
}

const nothing = "-";
const decimals = 6;

const headOf = (facts: Readonly<Record<string, string | number>>): string =>
  [
    "# earwitness scores, version 1",
    "# trial, tab, natural log-likelihood ratio of spoof over bona fide: HIGHER MEANS SPOOF.",
    "# ASVspoof's tools want higher to mean bona fide: give them the negative. `-`: no speech to judge.",
    ...Object.entries(facts).map(([name, value]) => `# ${name}: ${value}`),
    "",
  ].join("\n");

function differenceOf(text: string, head: string): string {
  const lines = text.split("\n");
  const wanted = head.split("\n").find((line, i) => line !== lines[i]);
  return `has scores of something else (here it would be "${wanted ?? ""}"); choose another --out, or delete it`;
}

function scoresIn(text: string, path: string): Map<string, TrialScore> {
  const scores = new Map<string, TrialScore>();
  for (const [i, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("# ")) continue;
    const at = line.lastIndexOf("\t");
    const [trial, score] = [line.slice(0, at), line.slice(at + 1)];
    const llr = score === nothing ? null : Number(score);
    if (at < 1 || score === "" || Number.isNaN(llr)) throw new Refusal(`${path}:${i + 1}: not a score`);
    scores.set(trial, llr);
  }
  return scores;
}
