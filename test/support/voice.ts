/**
 * A made-up voice: a glottal pulse train through three formants, with syllables, a moving pitch and breath noise.
 * Speech-like enough for the speech measure; deterministic.
 */
export function voice(seconds: number, rate: number, pitchHz = 120): Float32Array {
  const out = new Float32Array(Math.round(seconds * rate));
  const vowels = [
    [700, 1200, 2600],
    [300, 2200, 3000],
    [500, 1000, 2500],
    [350, 800, 2400],
    [450, 1800, 2600],
  ] as const;
  let phase = 0;
  let seed = 1;
  const state = new Float64Array(6);
  for (let i = 0; i < out.length; i++) {
    const t = i / rate;
    const syllable = Math.floor(t / 0.19);
    const within = t / 0.19 - syllable;
    const formants = vowels[(syllable * 7 + (syllable >> 2)) % vowels.length] ?? vowels[0];
    phase += (pitchHz * (1 + 0.15 * Math.sin(2.1 * t) + 0.02 * Math.sin(31 * t))) / rate;
    const pulse = phase >= 1 ? 1 : 0;
    if (phase >= 1) phase -= 1;
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    const breath = seed / 2 ** 31 - 1;
    const loud = within < 0.8 ? Math.sin((Math.PI * within) / 0.8) : 0;
    let x = pulse * 0.6 + breath * 0.012;
    for (const [k, formantHz] of formants.entries()) {
      if (formantHz > 0.45 * rate) continue;
      const r = Math.exp((-Math.PI * (60 + 30 * k)) / rate);
      const a = state[2 * k] ?? 0;
      const b = state[2 * k + 1] ?? 0;
      const y = (1 - r) * 2 * x + 2 * r * Math.cos((2 * Math.PI * formantHz) / rate) * a - r * r * b;
      state[2 * k + 1] = a;
      state[2 * k] = y;
      x = 0.7 * y + 0.3 * x;
    }
    out[i] = Math.max(-0.9, Math.min(0.9, 12 * loud * x + breath * 0.002));
  }
  return out;
}
