import { readFile } from "node:fs/promises";
import type { AsvScores } from "../evaluation/tandem-cost.ts";
import { quoted } from "../models/checkpoint/errors.ts";
import { Refusal } from "./refusal.ts";

/** One recording of a list, and what it is. */
export interface Trial {
  /** Its name in the list: a file, with or without its ending. */
  readonly id: string;
  readonly isSpoof: boolean;
  /** What made it, where the list says so: an attack (`A07`) or a system. */
  readonly attack: string | undefined;
}

/** Lists of 2021 mark their trials; the evaluation's own results are those of this subset. */
export const defaultSubset = "eval";

/**
 * Reads a list of trials: an ASVspoof 2019 protocol (`SPEAKER FILE ENVIRONMENT ATTACK KEY`), the trial metadata of
 * ASVspoof 2021 (LA, PA and DF; `all` takes every subset), or CSV (`file,label[,system]`). Throws {@link Refusal} with
 * the number of the line that is none of these.
 */
export async function readProtocol(path: string, subset = defaultSubset): Promise<readonly Trial[]> {
  const lines = numbered(await readFile(path, "utf8"));
  const [first] = lines;
  if (first === undefined) throw new Refusal(`${path} is empty`);
  const parse = first.text.includes(",") ? csvParser(first.text) : (text: string) => parseWords(text, subset);
  const trials = new Map<string, Trial>();
  for (const { text, number } of lines) {
    const trial = parse(text);
    if (trial === "skip") continue;
    if (trial === undefined)
      throw new Refusal(`${path}:${number}: not a trial: ${quoted(text)}${keyless(text)}`);
    if (trials.has(trial.id)) throw new Refusal(`${path}:${number}: ${quoted(trial.id)} stands there twice`);
    trials.set(trial.id, trial);
  }
  if (trials.size === 0)
    throw new Refusal(`${path} lists no trial${subset === "all" ? "" : ` of ${subset}`}`);
  return [...trials.values()];
}

/**
 * Reads the scores of a speaker verification system as ASVspoof 2019 gives them: `SOURCE KEY SCORE` with the keys
 * target, nontarget and spoof. Throws {@link Refusal} likewise.
 */
export async function readAsvScores(path: string): Promise<AsvScores> {
  const scores = new Map<string, number[]>(asvKeys.map((key) => [key, []]));
  for (const { text, number } of numbered(await readFile(path, "utf8"))) {
    const [, key = "", score] = text.split(/\s+/);
    const list = scores.get(key);
    const value = Number(score);
    if (list === undefined || !Number.isFinite(value)) {
      throw new Refusal(`${path}:${number}: not a score of speaker verification: ${quoted(text)}`);
    }
    list.push(value);
  }
  const [target, nontarget, spoof] = asvKeys.map((key) => Float64Array.from(scores.get(key) ?? []));
  const isWhole = [...scores.values()].every((list) => list.length > 0);
  if (isWhole && target && nontarget && spoof) return { target, nontarget, spoof };
  throw new Refusal(`${path} needs scores of target, nontarget and spoof trials`);
}

const asvKeys = ["target", "nontarget", "spoof"] as const;

const numbered = (text: string): readonly { readonly text: string; readonly number: number }[] =>
  text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((line, i) => ({ text: line.trim(), number: i + 1 }))
    .filter((line) => line.text !== "" && !line.text.startsWith("#"));

/** `skip` for what is not asked for, undefined for what is no trial. */
type Parsed = Trial | "skip" | undefined;

/** Where a line of words has what it says of its second word, a file. */
interface Columns {
  readonly key: number;
  readonly attack: readonly number[];
  readonly subset?: number;
}

const columnsByWords: ReadonlyMap<number, Columns> = new Map([
  // 2019: speaker, file, environment, attack, key.
  [5, { key: 4, attack: [3] }],
  // 2021 LA: speaker, file, codec, transmission, attack, key, trim, subset.
  [8, { key: 5, attack: [4], subset: 7 }],
  // 2021 PA: speaker, file, three words of the room, then of the attacker room, microphone, two distances; key, trim, subset.
  [12, { key: 9, attack: [7, 8], subset: 11 }],
  // 2021 DF: as LA, and five words more.
  [13, { key: 5, attack: [4], subset: 7 }],
]);

function parseWords(text: string, subset: string): Parsed {
  const words = text.split(/\s+/);
  const columns = columnsByWords.get(words.length);
  if (columns === undefined) return undefined;
  const attack = columns.attack.map((at) => words[at]).filter((word) => word !== "-");
  const trial = toTrial(words[1] ?? "", words[columns.key], attack.join("-"));
  const isOther = columns.subset !== undefined && subset !== "all" && words[columns.subset] !== subset;
  return trial !== undefined && isOther ? "skip" : trial;
}

/** The lists that came with 2021's recordings are names alone. */
const keyless = (text: string): string =>
  /^[^\s,]+$/.test(text)
    ? ", a name without a key; the keys of ASVspoof 2021 are in its trial_metadata.txt"
    : "";

function toTrial(id: string, label: string | undefined, attack: string | undefined): Trial | undefined {
  const isSpoof = kinds.get(label?.toLowerCase() ?? "");
  if (isSpoof === undefined || id === "") return undefined;
  const named = attack !== undefined && !["", "-", "bonafide"].includes(attack);
  return { id, isSpoof, attack: named ? attack : undefined };
}

const kinds: ReadonlyMap<string, boolean> = new Map([
  ...["bonafide", "bona-fide", "human", "real", "genuine"].map((name) => [name, false] as const),
  ...["spoof", "machine", "fake", "deepfake"].map((name) => [name, true] as const),
]);

/** By the names in the first line; without names the columns are file, label, system. */
function csvParser(first: string): (text: string) => Parsed {
  const names = cells(first).map((name) => name.toLowerCase());
  const hasNames = names.includes("file") && names.includes("label");
  const column = (name: string, place: number): number => (hasNames ? names.indexOf(name) : place);
  const [file, label, system] = [column("file", 0), column("label", 1), column("system", 2)];
  return (text) => {
    if (hasNames && text === first) return "skip";
    const row = cells(text);
    return toTrial(row[file] ?? "", row[label], row[system]);
  };
}

/** A line's cells; one in quotation marks may hold commas and doubled quotation marks. */
const cells = (line: string): readonly string[] =>
  [...line.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain = ""]) =>
    quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'),
  );
