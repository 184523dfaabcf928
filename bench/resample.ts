import { createResampler } from "../src/stream/resample.ts";
import { hertz } from "../src/stream/units.ts";

const targetRate = 16000;
const blocksPerSecond = 50;
const rounds = 15;
const secondsPerRound = 4;

/** CPU milliseconds to bring one second of mono audio to 16 kHz in blocks of 20 ms; the median of fifteen rounds. */
export function measureResampling(rateHz: number): number {
  const block = Float32Array.from({ length: Math.round(rateHz / blocksPerSecond) }, (_, n) => Math.sin(n));
  const resampler = createResampler(hertz(rateHz), hertz(targetRate));
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let n = 0; n < secondsPerRound * blocksPerSecond; n++) resampler.push(block);
    const spent = process.cpuUsage(before);
    figures.push((spent.user + spent.system) / 1000 / secondsPerRound);
  }
  return figures.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? NaN;
}

if (import.meta.url === new URL(process.argv[1] ?? "", "file:").href) {
  for (const rateHz of [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]) {
    console.log(
      `${rateHz} → ${targetRate} Hz: ${measureResampling(rateHz).toFixed(2)} ms CPU per audio second`,
    );
  }
}
