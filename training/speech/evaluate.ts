/**
 * Measures the speech meter: node --import tsx training/speech/evaluate.ts DATA [LABEL=FOLDER ...] [--opus] [--every=N]
 * DATA holds manifest.csv and clips; each FOLDER is searched for WAV files (16-bit mono), such as hold music or prompts.
 * `--opus` adds the test clips through opusenc and opusdec at 16 kbit/s; `--every=N` takes each Nth clip. Prints the share that counts as speech.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FLACDecoder } from "@wasm-audio-decoders/flac";
import { createResampler } from "../../src/stream/resample.ts";
import { createSpeechMeter } from "../../src/stream/speech.ts";
import { lineSounds, music, noisy, pink, seeded, throughMulaw as mulaw, white } from "../../test/support/sounds.ts";
import { hertz } from "../../src/stream/units.ts";

type Clip = { name: string; samples: Float32Array };

/** Asks as a session does: once a second, for what came since, when it is a second old or at the end. */
function speechOf(samples: Float32Array): number {
  const meter = createSpeechMeter();
  let speech = 0;
  let asked = 0;
  for (let at = 0; at < samples.length; at += 16_000) {
    meter.push(samples.subarray(at, at + 16_000));
    const end = Math.min(at + 16_000, samples.length);
    speech += meter.speech(asked, end);
    asked = end;
  }
  return speech;
}

function report(label: string, clips: readonly Clip[], change: (x: Float32Array) => Float32Array = (x) => x): void {
  let speech = 0;
  let total = 0;
  const each: [number, string][] = [];
  for (const { name, samples } of clips) {
    const changed = change(samples);
    const counted = speechOf(changed);
    speech += counted;
    total += changed.length;
    each.push([(100 * counted) / changed.length, name]);
  }
  each.sort((a, b) => a[0] - b[0]);
  const under = each.filter(([share]) => share < 85).length;
  const middle = each[each.length >> 1]?.[0] ?? 0;
  console.log(
    label.padEnd(44),
    `${((100 * speech) / total).toFixed(1).padStart(5)} %  of ${(total / 16_000).toFixed(0).padStart(5)} s, ${String(each.length).padStart(4)} clips`,
    `median ${middle.toFixed(1)}, ${under} under 85`,
    each.length <= 12 ? each.map(([s, n]) => `${n} ${s.toFixed(0)}`).join(", ") : `worst ${each.slice(0, 3).map(([s, n]) => `${n} ${s.toFixed(0)}`).join(", ")}`,
  );
}

function wav(path: string): Clip {
  const bytes = readFileSync(path);
  const rate = bytes.readUInt32LE(24);
  const data = bytes.indexOf("data", 12, "latin1") + 8;
  const count = (bytes.length - data) >> 1;
  const narrow = Float32Array.from({ length: count }, (_, i) => bytes.readInt16LE(data + 2 * i) / 32_768);
  const resampler = createResampler(hertz(rate), hertz(16_000));
  return { name: path.split("/").at(-1) ?? path, samples: rate === 16_000 ? narrow : resampler.push(narrow) };
}

function wavs(folder: string): Clip[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".wav"))
    .map((entry) => wav(join(entry.parentPath, entry.name)));
}

function throughOpus(x: Float32Array): Float32Array {
  const folder = mkdtempSync(join(tmpdir(), "speech-"));
  const header = Buffer.alloc(44);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(36 + 2 * x.length, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(16_000, 24);
  header.writeUInt32LE(32_000, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36, "latin1");
  header.writeUInt32LE(2 * x.length, 40);
  const body = Int16Array.from(x, (v) => Math.max(-32_768, Math.min(32_767, Math.round(v * 32_768))));
  writeFileSync(join(folder, "a.wav"), Buffer.concat([header, Buffer.from(body.buffer)]));
  spawnSync("opusenc", ["--quiet", "--bitrate", "16", join(folder, "a.wav"), join(folder, "a.opus")]);
  spawnSync("opusdec", ["--quiet", "--rate", "16000", join(folder, "a.opus"), join(folder, "b.wav")]);
  const { samples } = wav(join(folder, "b.wav"));
  rmSync(folder, { recursive: true });
  return samples;
}

async function shared(data: string): Promise<Map<string, Clip[]>> {
  const groups = new Map<string, Clip[]>();
  const decoder = new FLACDecoder();
  await decoder.ready;
  for (const line of readFileSync(join(data, "manifest.csv"), "utf8").split("\n").slice(1)) {
    const [file, label, split] = line.split(",");
    if (file === undefined || label === undefined || split === undefined || split === "spare") continue;
    const { channelData } = await decoder.decodeFile(readFileSync(join(data, file)));
    const group = groups.get(`${label} ${split}`) ?? [];
    group.push({ name: file.replace("clips/", ""), samples: channelData[0] ?? new Float32Array() });
    groups.set(`${label} ${split}`, group);
    await decoder.reset();
  }
  decoder.free();
  return groups;
}

const [data, ...rest] = process.argv.slice(2);
if (data === undefined) throw new Error("which folder of clips?");
for (const [name, samples] of Object.entries({ ...lineSounds(30), "tune": music(30, 0.4, 6, seeded(9)), "slow tune": music(30, 0.9, 12, seeded(10)) })) report(name, [{ name, samples }]);
for (const argument of rest.filter((a) => !a.startsWith("--"))) {
  const [label = "", folder = ""] = argument.split("=");
  const clips = wavs(folder);
  report(label, clips);
  report(`${label}, mu-law at -35 dBFS`, clips, (x) => mulaw(x, -35));
}
const every = Number(rest.find((a) => a.startsWith("--every="))?.slice(8) ?? 1);
for (const [label, all] of await shared(data)) {
  const clips = all.filter((_, i) => i % every === 0);
  report(label, clips);
  report(`${label}, mu-law at -35 dBFS`, clips, (x) => mulaw(x, -35));
  report(`${label}, white noise at 10 dB`, clips, (x) => noisy(x, white(x.length, seeded(5)), 10));
  report(`${label}, pink noise at 10 dB`, clips, (x) => noisy(x, pink(x.length, seeded(6)), 10));
  if (label.endsWith("test") && rest.includes("--opus")) report(`${label}, Opus at 16 kbit/s`, clips, throughOpus);
}
