import type { Compared } from "../models/inspect/agreement.ts";
import type { Interval } from "../models/inspect/bootstrap.ts";
import type { Inspection, Measured, Recovered, Source, Summary } from "../models/inspect/inspection.ts";
import { count, rows } from "./table.ts";

/** A recording's measures, or why there are none. */
export type FileReport =
  | { readonly file: string; readonly problem: string }
  | (Summary & { readonly file: string; readonly seconds: number });

/** What was compared, and what came of it. */
export interface InspectionReport {
  readonly teacher: { readonly file: string; readonly layers: readonly [first: number, last: number] };
  readonly tokenizer: { readonly digest: string; readonly quantizers: number; readonly codes: number };
  /** Recordings are heard in pieces of no more. */
  readonly longestSeconds: number;
  readonly files: readonly FileReport[];
  /** Null where no file could be measured. */
  readonly all: (Summary & { readonly recovered: ReturnType<Inspection["recovered"]> }) | null;
}

/** The report for programs: quantizers count from 1, cosines lie in −1 … 1, shares are 1 at most. */
export function inspectionJson({
  teacher,
  tokenizer,
  longestSeconds,
  files,
  all,
}: InspectionReport): unknown {
  const [first, last] = teacher.layers;
  return {
    teacher: { file: teacher.file, first_layer: first, last_layer: last },
    tokenizer,
    longest_piece_seconds: longestSeconds,
    files: files.map((one) =>
      "problem" in one ? one : { file: one.file, seconds: one.seconds, ...counted(one) },
    ),
    all:
      all === null
        ? null
        : {
            ...counted(all),
            recovered: all.recovered && {
              frames: all.recovered.frames,
              sources: all.recovered.sources.map(({ source, value, chance, interval }) => ({
                ...named(source),
                ...{ value, chance, interval },
              })),
            },
          },
  };
}

const counted = ({ pieces, frames, agreements }: Summary) => ({
  pieces,
  frames,
  agreement: agreements.map(({ source, perFrame, alongTime }) => ({
    ...named(source),
    per_frame: perFrame,
    along_time: alongTime,
  })),
});

const named = ({ name, stages }: Source) => ({ source: name, quantizers: stages.map((stage) => stage + 1) });

/** The report as people read it: a line per file and source, a table of all, and what the numbers are. */
export function inspectionTable(report: InspectionReport): string {
  const { files, all } = report;
  const parts = [heading(report), ...files.map(fileTable)];
  if (all === null) return parts.join("\n\n");
  return [...parts, allTable(all), recoveredTable(all.recovered), legend(report)].join("\n\n");
}

function heading({ teacher, tokenizer }: InspectionReport): string {
  return `SafeEar's tokenizer, ${tokenizer.quantizers} quantizers of ${tokenizer.codes} codes, beside ${layersText(teacher.layers)} of HuBERT (${teacher.file})`;
}

const layersText = ([first, last]: readonly [number, number]): string =>
  first === last ? `layer ${first}` : `the mean of layers ${first} to ${last}`;

function fileTable(file: FileReport): string {
  if ("problem" in file) return `${file.file}\n  not measured: ${file.problem}`;
  const facts = `${file.seconds.toFixed(1)} s, ${count(file.pieces, "piece")}, ${count(file.frames, "frame")}`;
  const lines = file.agreements
    .slice(0, 2)
    .map(({ source, perFrame, alongTime }) => [
      `  ${sourceText(source)}`,
      `per frame ${besides(perFrame)}`,
      `along time ${besides(alongTime)}`,
    ]);
  return `${file.file}  (${facts})\n${rows(lines)}`;
}

const besides = ({ value, chance }: Compared): string => `${cosine(value)}, by chance ${cosine(chance)}`;

function allTable({ pieces, frames, agreements }: Summary): string {
  const head = ["", "per frame", "chance", "above it", "along time", "chance", "above it"];
  const table = agreements.map(({ source, perFrame, alongTime }) => [
    sourceText(source),
    ...cells(perFrame),
    ...cells(alongTime),
  ]);
  return `all: ${count(pieces, "piece")}, ${count(frames, "frame")}\n${rows([head, ...table])}`;
}

const cells = ({ value, chance, above }: Measured): readonly string[] => [
  cosine(value),
  cosine(chance),
  `${cosine(value - chance)}${above === null ? "" : ` (${range(above)})`}`,
];

function recoveredTable(recovered: ReturnType<Inspection["recovered"]>): string {
  if (recovered === null) return "learned anew: not measured, the pieces are too few";
  const head = [`learned anew, ${count(recovered.frames, "frame")}`, "recovered", "95 %", "chance"];
  return rows([
    head,
    ...recovered.sources.map(({ source, value, chance, interval }: Recovered) => [
      sourceText(source),
      percent(value),
      interval === null ? "–" : `${percent(interval[0])} to ${percent(interval[1])}`,
      percent(chance),
    ]),
  ]);
}

function sourceText({ name, stages }: Source): string {
  if (name === "first") return "first quantizer";
  if (name !== "acoustic") return `${name} alone`;
  return `acoustic, ${(stages[0] ?? 0) + 1} to ${(stages.at(-1) ?? 0) + 1}`;
}

const legend = ({ longestSeconds }: InspectionReport): string =>
  [
    "per frame     cosine between HuBERT's features of a frame and what the tokenizer's `transform` makes of its code",
    "              vectors: 1 is the same direction, 0 none in common",
    `along time    the same cosine for each feature over a piece of at most ${longestSeconds.toFixed(2)} s, which is what the first`,
    "              quantizer was trained to raise (the D axis)",
    "chance        with one side's frames in any order: what agrees without hearing the same moment",
    "above it      the difference, which tells of the moment; in brackets 95 % by resampling pieces",
    "learned anew  share of the variance of HuBERT's features that a vector per code recovers, learned from other pieces of",
    "              this audio; chance is the same with codes of another moment. Better listeners may recover more",
    "The claim holds as far as the acoustic quantizers stay near chance where the first does not.",
  ].join("\n");

const cosine = (value: number): string => decimal(value, 3);
const percent = (value: number): string => `${decimal(100 * value, 1)} %`;
const range = ([low, high]: Interval): string => `${cosine(low)} to ${cosine(high)}`;

function decimal(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) > 0 ? `−${text}` : text;
}
