const vowelsHz = [
  [700, 1200, 2600],
  [300, 2200, 3000],
  [500, 1000, 2500],
  [350, 800, 2400],
  [450, 1800, 2600],
] as const;
const syllableS = 0.19;

/**
 * A made-up voice: a glottal pulse train through three formants, with syllables, a moving pitch and breath noise.
 * Speech-like enough for the speech measure; deterministic.
 */
export function voice(seconds: number, rate: number, pitchHz = 120): Float32Array {
  const out = new Float32Array(Math.round(seconds * rate));
  const resonators = [0, 1, 2].map((k) => resonator(60 + 30 * k, rate));
  let phase = 0;
  let seed = 1;
  for (let i = 0; i < out.length; i++) {
    const t = i / rate;
    const syllable = Math.floor(t / syllableS);
    const within = t / syllableS - syllable;
    const formants = vowelsHz[(syllable * 7 + (syllable >> 2)) % vowelsHz.length] ?? vowelsHz[0];
    phase += (pitchHz * (1 + 0.15 * Math.sin(2.1 * t) + 0.02 * Math.sin(31 * t))) / rate;
    const pulse = Math.floor(phase);
    phase -= pulse;
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    const breath = seed / 2 ** 31 - 1;
    const loud = within < 0.8 ? Math.sin((Math.PI * within) / 0.8) : 0;
    let x = pulse * 0.6 + breath * 0.012;
    for (const [k, resonate] of resonators.entries()) x = 0.7 * resonate(x, formants[k] ?? 500) + 0.3 * x;
    out[i] = Math.max(-0.9, Math.min(0.9, 12 * loud * x + breath * 0.002));
  }
  return out;
}

/** A two-pole resonance; silent where the rate cannot carry its frequency. */
function resonator(bandwidthHz: number, rate: number): (x: number, frequencyHz: number) => number {
  const r = Math.exp((-Math.PI * bandwidthHz) / rate);
  let a = 0;
  let b = 0;
  return (x, frequencyHz) => {
    if (frequencyHz > 0.45 * rate) return x;
    const y = (1 - r) * 2 * x + 2 * r * Math.cos((2 * Math.PI * frequencyHz) / rate) * a - r * r * b;
    b = a;
    a = y;
    return y;
  };
}
