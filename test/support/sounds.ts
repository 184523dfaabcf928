import { mulawSamples } from "../../src/stream/g711.ts";
import { createResampler } from "../../src/stream/resample.ts";
import { hertz } from "../../src/stream/units.ts";

/** All sounds here are mono at this rate. */
export const soundRate = 16_000;

/** Uniform numbers in [0, 1), the same ones for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function white(length: number, random: () => number): Float32Array {
  return Float32Array.from({ length }, () => random() + random() + random() + random() - 2);
}

/** Pink within 0.5 dB from 10 Hz up: a sum of first-order low passes an octave or so apart. */
export function pink(length: number, random: () => number): Float32Array {
  const poles = [0.997, 0.985, 0.95, 0.85, 0.6, 0.2];
  const gains = [0.03, 0.06, 0.11, 0.2, 0.35, 0.5];
  const state = poles.map(() => 0);
  return Float32Array.from({ length }, () => {
    let sum = 0;
    for (let k = 0; k < poles.length; k++) {
      const x = random() + random() + random() - 1.5;
      state[k] = (poles[k] ?? 0) * (state[k] ?? 0) + (gains[k] ?? 0) * x;
      sum += state[k] ?? 0;
    }
    return sum;
  });
}

/** Low, coloured, steady noise whose level moves a little from one 20 ms frame to the next, as a decoder makes it up. */
export function comfortNoise(length: number, dbfs: number, random: () => number): Float32Array {
  const noise = white(length, random);
  let low = 0;
  let gain = 1;
  for (let i = 0; i < length; i++) {
    if (i % 320 === 0) gain = 10 ** ((random() - 0.5) / 10);
    low += 0.35 * ((noise[i] ?? 0) - low);
    noise[i] = low * gain;
  }
  return atLevel(noise, dbfs);
}

/** A sum of sines, sounding `on` seconds of each `on + off`. */
export function tone(seconds: number, hz: readonly number[], on = 1, off = 0): Float32Array {
  return Float32Array.from({ length: seconds * soundRate }, (_, i) => {
    const t = i / soundRate;
    if (off > 0 && t % (on + off) >= on) return 0;
    return hz.reduce((sum, f) => sum + 0.12 * Math.sin(2 * Math.PI * f * t), 0);
  });
}

const keypad = [
  [697, 1209],
  [770, 1336],
  [852, 1477],
  [941, 1336],
  [697, 1477],
  [852, 1209],
  [770, 1633],
] as const;

/** Keys pressed one after the other. */
export function dtmf(seconds: number, on: number, off: number): Float32Array {
  return Float32Array.from({ length: seconds * soundRate }, (_, i) => {
    const t = i / soundRate;
    const key = Math.floor(t / (on + off));
    if (t - key * (on + off) >= on) return 0;
    const [low, high] = keypad[(key * 3) % keypad.length] ?? keypad[0];
    return 0.15 * Math.sin(2 * Math.PI * low * t) + 0.15 * Math.sin(2 * Math.PI * high * t);
  });
}

/** A plain tune over chords: notes of several partials that are struck and die away. */
export function music(seconds: number, beat: number, partials: number, random: () => number): Float32Array {
  const scale = [0, 2, 4, 7, 9, 12, 14, 16];
  const out = new Float32Array(seconds * soundRate);
  const strike = (from: number, length: number, semitones: number, level: number): void => {
    const f = 220 * 2 ** (semitones / 12);
    const end = Math.min(out.length, Math.floor((from + length) * soundRate));
    for (let i = Math.floor(from * soundRate); i < end; i++) {
      const t = i / soundRate - from;
      const envelope = Math.min(1, t / 0.01) * Math.exp((-2 * t) / length) * Math.min(1, (length - t) / 0.02);
      for (let k = 1; k <= partials; k++) {
        out[i] = (out[i] ?? 0) + ((level * envelope) / k) * Math.sin(2 * Math.PI * f * k * t);
      }
    }
  };
  for (let n = 0; n * beat < seconds; n++) {
    const note = scale[Math.floor(random() * scale.length)] ?? 0;
    strike(n * beat, beat * (1 + random()), note + 12, 0.1);
    if (n % 4 === 0) for (const step of [0, 4, 7]) strike(n * beat, beat * 4, step + (note % 5) - 12, 0.06);
  }
  return out;
}

/** Every sound of a telephone line that is not speech, by name. */
export function lineSounds(seconds: number): Record<string, Float32Array> {
  const length = seconds * soundRate;
  return {
    "digital silence": new Float32Array(length),
    "white noise": atLevel(white(length, seeded(1)), -30),
    "loud white noise": atLevel(white(length, seeded(2)), -12),
    "pink noise": atLevel(pink(length, seeded(3)), -30),
    "faint pink noise": atLevel(pink(length, seeded(4)), -55),
    "comfort noise": comfortNoise(length, -50, seeded(5)),
    "DTMF, 100 ms": dtmf(seconds, 0.1, 0.1),
    "DTMF, 50 ms": dtmf(seconds, 0.05, 0.05),
    "DTMF, 250 ms": dtmf(seconds, 0.25, 0.4),
    "ring-back, US": tone(seconds, [440, 480], 2, 4),
    "ring-back, EU": tone(seconds, [425], 1, 4),
    "dial tone, US": tone(seconds, [350, 440]),
    "dial tone, EU": tone(seconds, [425]),
    "busy, US": tone(seconds, [480, 620], 0.5, 0.5),
    "busy, EU": tone(seconds, [425], 0.25, 0.25),
    "beeps, 1 kHz": tone(seconds, [1000], 0.3, 0.7),
    "beeps, 1.4 kHz every 15 s": tone(seconds, [1400], 0.5, 14.5),
    "short beeps, 800 Hz": tone(seconds, [800], 0.1, 0.2),
  };
}

/** Changes the level to `dbfs` (RMS; 0 dBFS is an RMS of 1). Silence stays silence. */
export function atLevel(x: Float32Array, dbfs: number): Float32Array {
  const gain = 10 ** (dbfs / 20) / (rms(x) || 1);
  return x.map((v) => v * gain);
}

/** `x` with `noise` so many decibels under it. */
export function noisy(x: Float32Array, noise: Float32Array, snr: number): Float32Array {
  const gain = (rms(x) / (rms(noise) || 1)) * 10 ** (-snr / 20);
  return x.map((v, i) => v + gain * (noise[i] ?? 0));
}

/** Through a telephone line: at `dbfs`, 8 kHz, mu-law, and back. */
export function throughMulaw(x: Float32Array, dbfs: number): Float32Array {
  const narrow = resampled(atLevel(x, dbfs), 16_000, 8_000).map(nearestMulaw);
  return resampled(narrow, 8_000, 16_000).subarray(0, x.length);
}

function resampled(x: Float32Array, from: number, to: number): Float32Array {
  const resampler = createResampler(hertz(from), hertz(to));
  const head = resampler.push(x);
  const tail = resampler.flush();
  const out = new Float32Array(head.length + tail.length);
  out.set(head);
  out.set(tail, head.length);
  return out;
}

const steps = mulawSamples.toSorted();

function nearestMulaw(x: number): number {
  let low = 0;
  let high = steps.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((steps[middle] ?? 0) <= x) low = middle;
    else high = middle;
  }
  const below = steps[low] ?? 0;
  const above = steps[high] ?? 0;
  return x - below < above - x ? below : above;
}

function rms(x: Float32Array): number {
  let sum = 0;
  for (const v of x) sum += v * v;
  return Math.sqrt(sum / Math.max(1, x.length));
}
