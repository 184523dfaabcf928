import { createReadStream } from "node:fs";
import { readAudioFrom } from "../codec/read-audio.ts";
import { Inspection, sourcesOf } from "../models/inspect/inspection.ts";
import { createListener, longestPiece, type Listener } from "../models/inspect/listener.ts";
import { cutPieces, fewestSamples } from "../models/inspect/pieces.ts";
import { withTaughtTokenizer, type TaughtTokenizer } from "../models/inspect/taught-tokenizer.ts";
import { Fault } from "../stream/errors.ts";
import { resampleTrack } from "../stream/resample-track.ts";
import { hertz } from "../stream/units.ts";
import { inspectionJson, inspectionTable, type FileReport, type InspectionReport } from "./inspect-report.ts";
import { withScratchFolder } from "./inspect-scratch.ts";
import { Progress } from "./progress.ts";
import { Refusal } from "./refusal.ts";
import { count } from "./table.ts";

export interface InspectOptions {
  readonly hubert?: string;
  readonly layer?: number;
  readonly json?: true;
}

const rate = hertz(16_000);

/**
 * Prints how far the codes of the SafeEar in `folder` agree with HuBERT on some recordings; resolves to the exit status, 1
 * when one could not be measured. Throws CheckpointError, {@link Refusal} and whatever the file system says of the folder.
 */
export async function inspectSafeear(
  folder: string,
  files: readonly string[],
  { json, ...choice }: InspectOptions,
): Promise<number> {
  const report = await withTaughtTokenizer(folder, choice, (taught) => inspect(taught, files));
  console.log(json === true ? JSON.stringify(inspectionJson(report)) : inspectionTable(report));
  const unread = report.files.filter((file) => "problem" in file).length;
  if (unread === 0) return 0;
  console.error(`earwitness: ${count(unread, "file")} of ${files.length} could not be measured`);
  return 1;
}

async function inspect(taught: TaughtTokenizer, files: readonly string[]): Promise<InspectionReport> {
  const { stages, codes } = taught.tokenizer.sizes;
  const inspection = new Inspection(sourcesOf(stages), taught.transform.bias, codes);
  const reports = await withScratchFolder((scratch) => listenTo(files, taught, inspection, scratch));
  // What is learned anew may take a minute, in which no signal would be heard: by now there is nothing to clean up.
  const all = inspection.pieces === 0 ? null : { ...inspection.summary(), recovered: inspection.recovered() };
  return {
    teacher: { file: taught.teacherFile, layers: taught.layers },
    tokenizer: { digest: taught.tokenizer.digest, quantizers: stages, codes },
    longestSeconds: longestPiece / rate,
    files: reports,
    all,
  };
}

async function listenTo(
  files: readonly string[],
  taught: TaughtTokenizer,
  inspection: Inspection,
  scratch: string,
): Promise<readonly FileReport[]> {
  const reports: FileReport[] = [];
  const listener = await openListener(taught, scratch);
  const progress = new Progress(
    () => `${reports.length} of ${count(files.length, "file")}, ${count(inspection.pieces, "piece")} heard`,
  );
  try {
    for (const file of files) reports.push(await inspectFile(file, listener, inspection));
  } finally {
    progress.close();
    await listener.close();
  }
  return reports;
}

/** A process that ends, or cannot run the models, is a refusal. */
async function openListener(taught: TaughtTokenizer, scratch: string): Promise<Listener> {
  const listener = await refusing(createListener(taught, scratch));
  return { ...listener, hear: (samples) => refusing(listener.hear(samples)) };
}

async function refusing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name === "CheckpointError" || "syscall" in cause) throw cause;
    throw new Refusal(`the models cannot be run: ${cause.message}`, { cause });
  }
}

/** Each channel by itself. A file that cannot be read, or is too short or long, is told and no more. */
async function inspectFile(file: string, listener: Listener, inspection: Inspection): Promise<FileReport> {
  const tracks = await readTracks(file);
  if ("problem" in tracks) return { file, ...tracks };
  const first = inspection.pieces;
  for (const track of tracks.channels) {
    for (const piece of cutPieces(track, longestPiece)) inspection.add(await listener.hear(piece));
  }
  return { file, seconds: tracks.seconds, ...inspection.summary(first) };
}

type Tracks = { readonly seconds: number; readonly channels: readonly Float32Array[] };

async function readTracks(file: string): Promise<Tracks | { readonly problem: string }> {
  try {
    const audio = await readAudioFrom(createReadStream(file, { highWaterMark: 1 << 16 }));
    const channels = audio.channels.map((track) => resampleTrack(track, audio.rate, rate));
    const samples = channels[0]?.length ?? 0;
    if (samples < fewestSamples) return { problem: "shorter than a second: too little to measure" };
    return { seconds: samples / rate, channels };
  } catch (reason) {
    if (reason instanceof Fault) return { problem: reason.message };
    if (reason instanceof Error && "syscall" in reason) return { problem: reason.message };
    throw reason;
  }
}
