import { equalErrorInterval, type Interval } from "../evaluation/bootstrap.ts";
import { cllr, minCllr } from "../evaluation/cllr.ts";
import { detCurve, type DetPoint } from "../evaluation/det.ts";
import { equalErrorRate } from "../evaluation/equal-error-rate.ts";
import { operatingPoints, type LabelledScores } from "../evaluation/operating-points.ts";
import { minTandemCost, type AsvErrors, type TandemCost } from "../evaluation/tandem-cost.ts";
import type { Trial } from "./evaluate-protocol.ts";
import type { ScoreFile } from "./evaluate-scores.ts";
import { count, rows } from "./table.ts";

/** A trial without a score, and why. */
export interface Unscored {
  readonly trial: string;
  readonly problem: string;
}

/** An equal error rate, 0 … 1, with its 95 % interval. */
export interface Rate {
  readonly eer: number;
  readonly interval: Interval;
}

/** One attack against every bona fide trial. */
export interface AttackReport extends Rate {
  readonly attack: string;
  readonly trials: number;
}

/** What one condition's scores are worth; rates are null where a class has no trial. */
export interface ConditionReport {
  readonly condition: string;
  readonly spoof: number;
  readonly bonafide: number;
  /** Scored trials in which nobody speaks: their LLR counts as 0. */
  readonly silent: number;
  readonly unscored: readonly Unscored[];
  readonly eer: number | null;
  readonly interval: Interval | null;
  /** The LLR at the equal error rate. */
  readonly threshold: number | null;
  readonly cllr: number | null;
  readonly minCllr: number | null;
  /** With the verification system's scores only. */
  readonly minTdcf: TandemCost | null;
  readonly attacks: readonly AttackReport[];
}

/** Measures a condition; its curve is empty where a class has no trial. */
export function toReport(
  condition: string,
  trials: readonly Trial[],
  scores: ScoreFile,
  unscored: readonly Unscored[],
  asv: AsvErrors | undefined,
): { readonly report: ConditionReport; readonly curve: readonly DetPoint[] } {
  const known = trials.filter(({ id }) => scores.get(id) !== undefined);
  const llrs = (some: readonly Trial[]) => Float64Array.from(some, ({ id }) => scores.get(id) ?? 0);
  const spoofs = known.filter(({ isSpoof }) => isSpoof);
  const labelled = { spoof: llrs(spoofs), bonafide: llrs(known.filter(({ isSpoof }) => !isSpoof)) };
  const counts = {
    condition,
    spoof: labelled.spoof.length,
    bonafide: labelled.bonafide.length,
    silent: known.filter(({ id }) => scores.get(id) === null).length,
    unscored,
  };
  if (Math.min(counts.spoof, counts.bonafide) === 0) return { report: { ...counts, ...nothing }, curve: [] };
  const points = operatingPoints(labelled);
  const { threshold } = equalErrorRate(points);
  const attacks = attacksOf(spoofs).map(([attack, some]) => ({
    attack,
    trials: some.length,
    ...rateOf({ ...labelled, spoof: llrs(some) }),
  }));
  const report = {
    ...counts,
    ...rateOf(labelled),
    threshold,
    cllr: cllr(labelled),
    minCllr: minCllr(labelled),
    minTdcf: asv === undefined ? null : minTandemCost(points, asv),
    attacks,
  };
  return { report, curve: detCurve(points) };
}

const nothing = {
  ...{ eer: null, interval: null, threshold: null, cllr: null, minCllr: null, minTdcf: null },
  attacks: [],
};

const rateOf = (scores: LabelledScores): Rate => ({
  eer: equalErrorRate(operatingPoints(scores)).rate,
  interval: equalErrorInterval(scores),
});

function attacksOf(spoofs: readonly Trial[]): readonly (readonly [string, readonly Trial[]])[] {
  const named = new Map<string, Trial[]>();
  for (const trial of spoofs) {
    if (trial.attack === undefined) continue;
    const list = named.get(trial.attack) ?? [];
    list.push(trial);
    named.set(trial.attack, list);
  }
  return [...named].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The conditions as people read them: one table of all, one of the attacks, and what has no score. */
export function reportTable(reports: readonly ConditionReport[]): string {
  const head = [
    ...["condition", "machines", "humans", "unscored", "EER", "95 % interval"],
    ...["min t-DCF", "Cllr", "min Cllr"],
  ];
  const parts = [rows([head, ...reports.map(toRow)])];
  const attacks = attackTable(reports);
  if (attacks.length > 1) parts.push(rows(attacks));
  for (const { condition, unscored } of reports) {
    if (unscored.length === 0) continue;
    const shown = unscored.slice(0, mostShown).map(({ trial, problem }) => `  ${trial}: ${problem}`);
    const more = unscored.length - shown.length;
    const rest = more > 0 ? [`  and ${more} more, in report.json`] : [];
    parts.push(
      [`${condition}: ${count(unscored.length, "trial")} without a score`, ...shown, ...rest].join("\n"),
    );
  }
  return parts.join("\n\n");
}

const mostShown = 10;

function toRow(report: ConditionReport): readonly string[] {
  return [
    report.condition,
    String(report.spoof),
    String(report.bonafide),
    String(report.unscored.length),
    percent(report.eer),
    report.interval === null ? "–" : range(report.interval),
    decimal(report.minTdcf?.min ?? null),
    decimal(report.cllr),
    decimal(report.minCllr),
  ];
}

function attackTable(reports: readonly ConditionReport[]): readonly (readonly string[])[] {
  const names = [...new Set(reports.flatMap(({ attacks }) => attacks.map(({ attack }) => attack)))].sort();
  const found = (name: string) => reports.map(({ attacks }) => attacks.find(({ attack }) => attack === name));
  return [
    ["attack", "trials", ...reports.map(({ condition }) => `EER ${condition}`)],
    ...names.map((name) => [
      name,
      String(Math.max(...found(name).map((one) => one?.trials ?? 0))),
      ...found(name).map((one) => percent(one?.eer ?? null)),
    ]),
  ];
}

/** A share as a percentage with two decimals, or a dash. */
export const percent = (value: number | null): string =>
  value === null ? "–" : `${(100 * value).toFixed(2)} %`;

const range = ([low, high]: Interval): string => `${(100 * low).toFixed(2)}–${(100 * high).toFixed(2)}`;

const decimal = (value: number | null): string => (value === null ? "–" : value.toFixed(4));
