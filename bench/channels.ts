/** Channels to stream: clips of one kind joined with short silences until they are long enough. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readAudio } from "../src/codec/read-audio.ts";

export interface LabelledChannel {
  readonly name: string;
  readonly label: "bonafide" | "spoof";
  /** 16 kHz, 16-bit. */
  readonly samples: Int16Array;
}

interface Clip {
  readonly file: string;
  readonly label: "bonafide" | "spoof";
  readonly split: string;
  readonly group: string;
  readonly speaker: string;
  readonly seconds: number;
}

const rate = 16_000;
const silenceS = 0.3;

/**
 * `count` channels of each class of at least `seconds`, from the split's clips: humans of one corpus with as few speakers as
 * that takes, machines of one system each. Throws when the folder holds too few.
 */
export async function labelledChannels(
  folder: string,
  count: number,
  seconds: number,
  split = "test",
): Promise<LabelledChannel[]> {
  const clips = readManifest(folder).filter((clip) => clip.split === split);
  const channels: LabelledChannel[] = [];
  for (const label of ["bonafide", "spoof"] as const) {
    const plans = takeTurns(groups(clips.filter((clip) => clip.label === label)), seconds).slice(0, count);
    if (plans.length < count) throw new Error(`only ${plans.length} ${label} channels of ${seconds} s`);
    for (const plan of plans) channels.push({ ...plan, label, samples: await join16k(folder, plan.clips) });
  }
  return channels;
}

function readManifest(folder: string): Clip[] {
  const [head = "", ...lines] = readFileSync(join(folder, "manifest.csv"), "utf8").trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/);
    const cell = (name: string): string => cells[names.indexOf(name)] ?? "";
    const label = cell("label") === "spoof" ? "spoof" : "bonafide";
    return {
      file: cell("file"),
      label,
      split: cell("split"),
      group: label === "spoof" ? cell("system") : cell("corpus"),
      speaker: cell("speaker"),
      seconds: Number(cell("dur")),
    };
  });
}

/** Clips by group; within one, those of the speaker with most sound first. */
function groups(clips: readonly Clip[]): Map<string, Clip[]> {
  const spoken = new Map<string, number>();
  for (const clip of clips) spoken.set(clip.speaker, (spoken.get(clip.speaker) ?? 0) + clip.seconds);
  const sorted = [...clips].sort(
    (a, b) =>
      (spoken.get(b.speaker) ?? 0) - (spoken.get(a.speaker) ?? 0) ||
      a.speaker.localeCompare(b.speaker) ||
      a.file.localeCompare(b.file),
  );
  const byGroup = new Map<string, Clip[]>();
  for (const clip of sorted) byGroup.set(clip.group, [...(byGroup.get(clip.group) ?? []), clip]);
  return byGroup;
}

/** One channel of each group in turn, while a group still has enough sound for another. */
function takeTurns(
  byGroup: Map<string, Clip[]>,
  seconds: number,
): { readonly name: string; readonly clips: readonly Clip[] }[] {
  const plans: { name: string; clips: readonly Clip[] }[] = [];
  for (let round = 1, any = true; any; round++) {
    any = false;
    for (const [group, clips] of byGroup) {
      let length = 0;
      let n = 0;
      while (n < clips.length && length < seconds) length += (clips[n++]?.seconds ?? 0) + silenceS;
      if (length < seconds) continue;
      any = true;
      plans.push({ name: `${group} ${round}`, clips: clips.splice(0, n) });
    }
  }
  return plans;
}

async function join16k(folder: string, clips: readonly Clip[]): Promise<Int16Array> {
  const parts: Int16Array[] = [];
  for (const clip of clips) {
    const audio = await readAudio(readFileSync(join(folder, clip.file)));
    if (audio.rate !== rate) throw new Error(`${clip.file} is not at ${rate} Hz`);
    const [mono = new Float32Array(0)] = audio.channels;
    parts.push(Int16Array.from(mono, (x) => Math.max(-32_768, Math.min(32_767, Math.round(x * 32_768)))));
    parts.push(new Int16Array(silenceS * rate));
  }
  const joined = new Int16Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
