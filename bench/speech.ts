import { createSpeechMeter } from "../src/stream/speech.ts";

const rate = 16_000;
const blockLength = 320;
const blocksPerSecond = rate / blockLength;
const rounds = 15;
const secondsPerRound = 4;
const windowLength = 4 * rate;

/**
 * CPU milliseconds to measure the speech in one second of one channel: blocks of 20 ms in, and at each second the
 * window's and the fresh second's speech out. The median of fifteen rounds.
 */
export function measureSpeechMeter(): number {
  const sound = Float32Array.from({ length: rate }, (_, n) => 0.1 * Math.sin(n * n * 1e-5));
  const meter = createSpeechMeter();
  const figures: number[] = [];
  let time = 0;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let second = 0; second < secondsPerRound; second++) {
      for (let n = 0; n < blocksPerSecond; n++) {
        meter.push(sound.subarray(n * blockLength, (n + 1) * blockLength));
      }
      time += rate;
      meter.speech(time - rate, time);
      meter.speech(Math.max(0, time - windowLength), time);
    }
    const spent = process.cpuUsage(before);
    figures.push((spent.user + spent.system) / 1_000 / secondsPerRound);
  }
  return figures.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? NaN;
}

if (import.meta.url === new URL(process.argv[1] ?? "", "file:").href) {
  console.log(`speech meter: ${measureSpeechMeter().toFixed(2)} ms CPU per stream-second`);
}
