import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readAudio } from "../src/codec/read-audio.ts";

const clips = join(import.meta.dirname, "../test/fixtures/clips");

/** The human clips that come with the project, one after the other at 16 kHz: speech to play round and round. */
export async function loopOfSpeech(): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (const name of readdirSync(clips).filter((file) => /^human_.*\.flac$/.test(file))) {
    const { rate, channels } = await readAudio(readFileSync(join(clips, name)));
    if (rate === 16_000 && channels[0]) parts.push(channels[0]);
  }
  const loop = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    loop.set(part, at);
    at += part.length;
  }
  return loop;
}
