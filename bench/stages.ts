/** What each stage of a stream costs, alone and by the second of audio. */
import { createOpusEncoder } from "../clients/node/opus-encoder.ts";
import { encodeMulaw } from "../clients/node/g711-encode.ts";
import { createOpusHost } from "../src/codec/opus-host.ts";
import { Channel } from "../src/stream/channel.ts";
import { createDecoder } from "../src/stream/decode.ts";
import type { AudioFormat } from "../src/stream/ports.ts";
import { createResampler } from "../src/stream/resample.ts";
import { createSpeechMeter } from "../src/stream/speech.ts";
import { hertz } from "../src/stream/units.ts";
import { fakeSpec, nonZeroMeter, passThrough } from "../test/support/fakes.ts";
import { median } from "./figures.ts";
import { measureResampling } from "./resample.ts";
import { loopOfSpeech } from "./speech-loop.ts";

const secondsPerRound = 10;
const rounds = 9;
const packetsPerSecond = 50;

/** Rows of stage and median CPU milliseconds per second of audio. */
export async function measureStages(): Promise<readonly (readonly [string, number])[]> {
  const loop = await loopOfSpeech();
  const speech = loop.subarray(0, secondsPerRound * 16_000);
  return [
    ["decode mu-law 8 kHz", measureMulaw(speech)],
    ["decode Opus 24 kbit/s to 16 kHz", await measureOpusDecoding(speech)],
    ["resample 8 → 16 kHz", measureResampling(8000)],
    ["resample 48 → 16 kHz", measureResampling(48_000)],
    ["speech measure", measureSpeech(speech)],
    ["windows, hop 1 s", measureWindows(speech)],
  ];
}

function cpuPerSecond(round: () => void): number {
  const costs: number[] = [];
  round();
  for (let i = 0; i < rounds; i++) {
    const before = process.cpuUsage();
    round();
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / 1000 / secondsPerRound);
  }
  return median(costs);
}

function slices<Kind extends Float32Array | Uint8Array>(from: Kind, length: number): Kind[] {
  const count = Math.floor(from.length / length);
  return Array.from({ length: count }, (_, i) => from.subarray(i * length, (i + 1) * length) as Kind); // same class
}

function measureMulaw(speech: Float32Array): number {
  const narrow = createResampler(hertz(16_000), hertz(8000)).push(speech);
  const packets = slices(encodeMulaw(narrow), 8000 / packetsPerSecond);
  const format: AudioFormat = { encoding: "pcm_mulaw", framing: "raw", rate: hertz(8000), channels: 1 };
  return cpuPerSecond(() => {
    const decoder = createDecoder(format, undefined);
    for (const packet of packets) decoder.push(packet);
    decoder.close();
  });
}

async function measureOpusDecoding(speech: Float32Array): Promise<number> {
  const encoder = await createOpusEncoder({ rate: 16_000, channels: 1, frameMs: 20, bitrate: 24_000 });
  const packets = slices(speech, 320).map((frame) =>
    encoder.encode(Int16Array.from(frame, (x) => Math.round(x * 32_767))),
  );
  encoder.close();
  const host = await createOpusHost();
  const format: AudioFormat = { encoding: "opus", framing: "packet", rate: hertz(48_000), channels: 1 };
  const decoder = createDecoder(format, host);
  const cost = cpuPerSecond(() => {
    for (const packet of packets) decoder.push(packet);
  });
  decoder.close();
  host.close();
  return cost;
}

function measureSpeech(speech: Float32Array): number {
  const blocks = slices(speech, 320);
  return cpuPerSecond(() => {
    const meter = createSpeechMeter();
    for (const block of blocks) meter.push(block);
    meter.speech(speech.length - 64_000, speech.length);
  });
}

function measureWindows(speech: Float32Array): number {
  const blocks = slices(speech, 320);
  const silent = { ...nonZeroMeter(), push: () => undefined, speech: () => 64_000 };
  return cpuPerSecond(() => {
    const channel = new Channel({
      channel: 0,
      spec: fakeSpec(),
      rate: hertz(16_000),
      clock: hertz(16_000),
      resampler: passThrough(),
      meter: silent,
      hopMs: 1000,
      minSpeechMs: 2000,
    });
    for (const samples of blocks) channel.push({ kind: "audio", channel: 0, samples });
  });
}
