import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { detPlot } from "../evaluation/det-plot.ts";
import { asvErrors, type AsvErrors } from "../evaluation/tandem-cost.ts";
import type { Pool } from "../models/pool.ts";
import { readConfig } from "../server/config.ts";
import { detectionInForce } from "../server/detection.ts";
import { toSnakeCase } from "../server/wire-json.ts";
import type { DetectionDefaults } from "../stream/ports.ts";
import { bar } from "./bar.ts";
import { openPool } from "./detect.ts";
import { toConditions, type Condition } from "./evaluate-conditions.ts";
import { readAsvScores, readProtocol, type Trial } from "./evaluate-protocol.ts";
import { percent, reportTable, toReport, type ConditionReport, type Unscored } from "./evaluate-report.ts";
import { ScoreFile } from "./evaluate-scores.ts";
import { createTrialScorer, type ScoredPart } from "./evaluate-trial.ts";
import { InOrder } from "./in-order.ts";
import { Progress } from "./progress.ts";
import { count } from "./table.ts";

/** What `earwitness evaluate` takes. */
export interface EvaluateOptions {
  readonly protocol: string;
  readonly audio: string;
  readonly model?: string;
  readonly asvScores?: string;
  readonly out?: string;
  readonly through?: string;
  readonly subset?: string;
  readonly score?: ScoredPart;
  readonly json?: true;
}

/** Files at a time for each inference process: enough that a batch is always waiting. */
const filesPerWorker = 3;

/**
 * Scores every trial of a list under every condition and measures the scores; resolves to the exit status, 1 when a
 * trial has no score. Throws {@link Refusal} for what cannot be used.
 */
export async function evaluate(options: EvaluateOptions): Promise<number> {
  const conditions = toConditions(options.through);
  const trials = await readProtocol(options.protocol, options.subset);
  const asv = options.asvScores === undefined ? undefined : asvErrors(await readAsvScores(options.asvScores));
  const config = readConfig();
  const pool = await openPool(options.model ?? config.model, config);
  try {
    const out = options.out ?? join("evaluation", pool.spec.id);
    await mkdir(out, { recursive: true });
    const detection = detectionInForce(pool.spec, config.detection, {});
    const run: Run = { options, out, pool, detection, trials, asv };
    const measured = [];
    for (const condition of conditions) measured.push(await measure(run, condition));
    const reports = measured.map(({ report }) => report);
    await writeResults(run, measured);
    const unscored = reports.reduce((sum, report) => sum + report.unscored.length, 0);
    if (options.json === true) console.log(JSON.stringify(toJson(run, reports)));
    else console.log(`${reportTable(reports)}\n\nscores, report.json and det.svg are in ${out}`);
    if (unscored > 0) console.error(`earwitness: ${count(unscored, "trial")} could not be scored`);
    return unscored > 0 ? 1 : 0;
  } finally {
    await pool.close();
  }
}

interface Run {
  readonly options: EvaluateOptions;
  readonly out: string;
  readonly pool: Pool;
  readonly detection: DetectionDefaults;
  readonly trials: readonly Trial[];
  readonly asv: AsvErrors | undefined;
}

type Measured = ReturnType<typeof toReport>;

async function measure(run: Run, condition: Condition): Promise<Measured> {
  const { name } = condition;
  const path = join(run.out, name === "clean" ? "scores.txt" : `scores-${name}.txt`);
  const scores = new ScoreFile(path, factsOf(run, name));
  try {
    const unscored = await fill(run, condition, scores);
    return toReport(name, run.trials, scores, unscored, run.asv);
  } finally {
    scores.close();
  }
}

/** What has to be the same for scores to be gone on with. */
const factsOf = ({ options, pool, detection }: Run, condition: string) => ({
  model: `${pool.spec.id} ${pool.spec.version}`,
  digest: pool.spec.digest,
  seed: pool.spec.seed ?? "none",
  calibration: pool.spec.calibrationId ?? "none",
  condition,
  audio: resolve(options.audio),
  hop_ms: detection.hopMs,
  min_speech_ms: detection.minSpeechMs,
  llr_bound: detection.llrBound,
  scored: options.score ?? "recording",
});

/** Scores what the file does not have yet. */
async function fill(run: Run, condition: Condition, scores: ScoreFile): Promise<readonly Unscored[]> {
  const { pool, trials } = run;
  const missing = trials.filter(({ id }) => scores.get(id) === undefined);
  const unscored: Unscored[] = [];
  let done = trials.length - missing.length;
  const progress = new Progress(() => progressLine(condition.name, done, trials.length));
  const score = createTrialScorer(run.options.audio, pool, run.detection, run.options.score);
  const atOnce = Math.max(1, pool.workerPids.length) * filesPerWorker;
  const lanes = new InOrder<{ trial: string } & Awaited<ReturnType<typeof score>>>(atOnce, (judged) => {
    done++;
    if ("problem" in judged) unscored.push({ trial: judged.trial, problem: judged.problem });
    else scores.add(judged.trial, judged.result.llr);
  });
  try {
    await lanes.run(missing.map(({ id }) => async () => ({ trial: id, ...(await score(id, condition)) })));
  } finally {
    progress.close();
  }
  return unscored;
}

const barWidth = 24;

/** How many trials of a condition are done, for people. */
export function progressLine(condition: string, done: number, trials: number): string {
  const share = done / trials;
  return `${condition}  ${bar(share, barWidth)}  ${percent(share)}, ${done} of ${count(trials, "trial")}`;
}

async function writeResults(run: Run, measured: readonly Measured[]): Promise<void> {
  const reports = measured.map(({ report }) => report);
  await writeFile(join(run.out, "report.json"), `${JSON.stringify(toJson(run, reports), undefined, 2)}\n`);
  const curves = measured
    .filter(({ curve }) => curve.length > 0)
    .map(({ report, curve }) => ({
      label: `${report.condition}, EER ${percent(report.eer)}`,
      points: curve,
    }));
  const title = `${run.pool.spec.id} ${run.pool.spec.version}, ${count(run.trials.length, "trial")}`;
  await writeFile(join(run.out, "det.svg"), detPlot(title, curves));
}

function toJson(
  { options, pool, detection, trials, asv }: Run,
  reports: readonly ConditionReport[],
): unknown {
  const { id, version, digest, calibrationId, seed } = pool.spec;
  return toSnakeCase({
    model: { id, version, digest, calibrationId: calibrationId ?? null, ...(seed !== undefined && { seed }) },
    protocol: options.protocol,
    trials: trials.length,
    scored: options.score ?? "recording",
    hopMs: detection.hopMs,
    minSpeechMs: detection.minSpeechMs,
    llrBound: detection.llrBound,
    asv: asv ?? null,
    conditions: reports,
  });
}
