"""Sounds that are not speech, all made here: tones, noises and music. 16 kHz, float64."""

import numpy as np
from scipy import signal

RATE = 16000


def coloured(rng, n, slope=None):
    """Noise with a power spectrum of f^-slope (0 white, 1 pink, 2 brown), unit RMS."""
    slope = rng.uniform(-0.5, 2.2) if slope is None else slope
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 30)
    x = np.fft.irfft(spectrum * f ** (-slope / 2), n)
    return x / (x.std() + 1e-12)


def shaped(rng, n):
    """Noise like a room's, a fan's, a street's or a codec's: resonances, slow swell, sometimes hum."""
    x = coloured(rng, n)
    for _ in range(rng.integers(0, 4)):
        f = rng.uniform(80, 6000)
        b, a = signal.iirpeak(f, rng.uniform(0.7, 8), fs=RATE)
        x = x + rng.uniform(0.3, 3) * signal.lfilter(b, a, x)
    if rng.random() < 0.4:
        swell = coloured(rng, n // 1600 + 8, 1.5)
        x = x * np.exp(rng.uniform(0.1, 0.6) * np.interp(np.arange(n), np.arange(len(swell)) * 1600, swell))
    if rng.random() < 0.2:
        t = np.arange(n) / RATE
        hum = sum(np.sin(2 * np.pi * k * rng.choice([50, 60]) * t) / k for k in range(1, rng.integers(2, 12)))
        x = x + rng.uniform(0.3, 3) * hum
    return x / (x.std() + 1e-12)


def bursts(rng, n):
    """Clicks, keys, knocks, breaths and handling: short noises with gaps."""
    x = np.zeros(n)
    at = 0
    long = rng.random() < 0.3
    while at < n:
        at += int(rng.exponential(0.25 if not long else 0.7) * RATE) + 160
        length = int((rng.uniform(0.002, 0.08) if not long else rng.uniform(0.1, 0.8)) * RATE)
        if at + length >= n:
            break
        b = coloured(rng, length + 16)[:length]
        attack = min(length, 32 if not long else length // 3)
        env = np.exp(-np.arange(length) / (length / rng.uniform(1, 6))) if not long else signal.windows.hann(length)
        env[:attack] *= np.linspace(0, 1, attack)
        x[at : at + length] += rng.uniform(0.2, 1) * b * env
    return x / (x.std() + 1e-9) + coloured(rng, n) * 10 ** rng.uniform(-3, -1)


def gate(rng, n, on, off):
    """An on-off pattern with 2 ms edges."""
    period = int((on + off) * RATE)
    phase = rng.integers(0, max(1, period))
    g = ((np.arange(n) + phase) % period < on * RATE).astype(float)
    return signal.lfilter(np.ones(32) / 32, 1, g)


def tones(rng, n):
    """Dial tone, ring-back, busy, DTMF, beeps, sweeps, alarms, data tones."""
    t = np.arange(n) / RATE
    sine = lambda f: np.sin(2 * np.pi * f * t + rng.uniform(0, 6.28))
    kind = rng.choice([0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 7, 8])
    if kind == 0:
        x = sine(350) + sine(440) if rng.random() < 0.5 else sine(rng.choice([400, 425, 440, 450]))
    elif kind == 1:
        x = (sine(440) + sine(480)) * gate(rng, n, 2, 4)
    elif kind == 2:
        x = sine(425) * gate(rng, n, 1, 4)
    elif kind == 3:
        x = (sine(400) + sine(450)) * (gate(rng, n, 0.4, 2.6) + 0)
    elif kind == 4:
        x = (sine(480) + sine(620)) * gate(rng, n, 0.5, 0.5) if rng.random() < 0.5 else sine(425) * gate(rng, n, 0.5, 0.5)
    elif kind == 5:
        x = np.zeros(n)
        at = rng.integers(0, 8000)
        on, off = rng.uniform(0.03, 0.4), rng.uniform(0.03, 0.5)
        if rng.random() < 0.5:
            on, off = rng.uniform(0.03, 0.12), rng.uniform(0.03, 0.12)
        while at < n:
            end = min(n, at + int(on * RATE))
            s = slice(at, end)
            x[s] = np.sin(2 * np.pi * rng.choice([697, 770, 852, 941]) * t[s])
            x[s] += np.sin(2 * np.pi * rng.choice([1209, 1336, 1477, 1633]) * t[s])
            at = end + int(off * RATE * rng.uniform(0.7, 1.3))
    elif kind == 6:
        harmonics = rng.integers(1, 5)
        x = np.zeros(n)
        at = 0
        f, on, off = rng.uniform(200, 3000), rng.uniform(0.03, 1.2), rng.uniform(0.05, 3)
        same = rng.random() < 0.6
        while at < n:
            f = f if same else rng.uniform(200, 3000)
            end = min(n, at + int(on * RATE))
            for k in range(1, harmonics + 1):
                x[at:end] += np.sin(2 * np.pi * f * k * t[at:end]) / k
            fade = min(80, (end - at) // 2)
            if fade > 0:
                x[at : at + fade] *= np.linspace(0, 1, fade)
                x[end - fade : end] *= np.linspace(1, 0, fade)
            at = end + int(off * RATE)
    elif kind == 7:
        lo, hi = sorted(rng.uniform(200, 3400, 2))
        lfo = signal.sawtooth(2 * np.pi * rng.uniform(0.2, 8) * t, rng.choice([0, 0.5, 1]))
        if rng.random() < 0.5:
            lfo = np.sign(lfo)
        x = np.sin(2 * np.pi * np.cumsum((lo + hi) / 2 + (hi - lo) / 2 * lfo) / RATE)
    else:
        x = np.sin(2 * np.pi * np.cumsum(rng.choice([1070, 1270, 2025, 2225, 1300, 2100], n // 53 + 1).repeat(53)[:n]) / RATE)
    return x / (x.std() + 1e-9)


def _reverb(rng, x):
    length = int(rng.uniform(0.05, 0.9) * RATE)
    ir = rng.standard_normal(length) * np.exp(-np.arange(length) * 6.9 / length)
    ir *= rng.uniform(0.1, 0.6) / (np.sqrt((ir**2).sum()) + 1e-9)
    ir[0] += 1
    return signal.fftconvolve(x, ir)[: len(x)]


class Instrument:
    """One timbre: additive, plucked, frequency-modulated or a filtered pulse, with its own envelope."""

    def __init__(self, rng):
        self.kind = rng.choice(["additive", "pluck", "fm", "filtered", "bowed"])
        self.amps = (np.arange(1, 25) ** -rng.uniform(0.3, 2.2)) * rng.uniform(0.3, 1, 24)
        if rng.random() < 0.3:
            self.amps[1::2] *= rng.uniform(0, 0.3)
        self.attack = 10 ** rng.uniform(-2.5, -0.6)
        self.decay = rng.uniform(0.15, 3) if rng.random() < 0.6 else 50.0
        self.release = rng.uniform(0.02, 0.4)
        self.vibrato = (rng.uniform(3.5, 7), rng.uniform(0, 0.012) if rng.random() < 0.6 else 0)
        self.formants = [(rng.uniform(250, 3200), rng.uniform(1, 6)) for _ in range(rng.integers(0, 4))]
        self.ratio, self.depth = rng.choice([0.5, 1, 2, 3, 1.41, 3.5]), rng.uniform(0.3, 4)
        self.detune = rng.uniform(0, 0.004)
        self.tremolo = (rng.uniform(2, 8), rng.uniform(0, 0.4) if rng.random() < 0.3 else 0)
        self.inharmonic = rng.uniform(0, 4e-4) if rng.random() < 0.4 else 0
        self.sweep = rng.uniform(-2, 2) if rng.random() < 0.4 else 0

    def note(self, rng, f, seconds, glide=None):
        n = int((seconds + self.release) * RATE)
        t = np.arange(n) / RATE
        rate, depth = self.vibrato
        hz = f * (1 + depth * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6)) * np.minimum(1, t * 4))
        if glide is not None:
            hz = hz * (glide / f) ** np.exp(-t / 0.04)
        phase = 2 * np.pi * np.cumsum(hz) / RATE
        if self.kind == "pluck":
            period = max(2, int(RATE / f))
            x = np.zeros(n)
            x[:period] = rng.uniform(-1, 1, min(n, period))[: min(n, period)]
            a = np.zeros(period + 2)
            a[0], loss = 1, 0.5 * 10 ** (-3 / (f * self.decay * 2 + 1))
            a[period], a[period + 1] = -loss, -loss
            x = signal.lfilter([1], a, x)
        elif self.kind == "fm":
            x = np.sin(phase + self.depth * np.exp(-t / self.decay) * np.sin(self.ratio * phase))
        elif self.kind == "filtered":
            x = signal.sawtooth(phase) + signal.sawtooth(phase * (1 + self.detune))
            f1 = np.clip(f * rng.uniform(2, 8), 200, 6000)
            x = signal.lfilter(*signal.butter(2, f1, fs=RATE), x)
        else:
            x = np.zeros(n)
            for k, amp in enumerate(self.amps, 1):
                if k * f * (1 + self.inharmonic * k * k) > 7000:
                    break
                bright = np.exp(-t * k / (self.decay * 4)) if self.kind == "additive" else 1
                stretch = np.sqrt(1 + self.inharmonic * k * k)
                x += amp * bright * (np.sin(k * stretch * phase) + 0.5 * np.sin(k * phase * (1 + self.detune) + 1))
            if self.kind == "bowed":
                x += 0.03 * rng.standard_normal(n)
        env = np.minimum(1, t / self.attack) * np.exp(-t / self.decay) * np.clip((seconds + self.release - t) / self.release, 0, 1)
        env *= 1 + self.tremolo[1] * np.sin(2 * np.pi * self.tremolo[0] * t)
        x = x * env
        for centre, q in self.formants:
            x = x + 2 * signal.lfilter(*signal.iirpeak(centre, q, fs=RATE), x)
        return x / (np.abs(x).max() + 1e-9)


SCALES = [[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9], [0, 3, 5, 6, 7, 10]]


def _line(rng, n, beat, tonic, scale, voices):
    """One instrument's part: a melody, chords, an arpeggio or a bass."""
    x = np.zeros(n + 4 * RATE)
    inst = Instrument(rng)
    role = rng.choice(["melody", "chords", "arpeggio", "bass"])
    octave = {"bass": -2, "chords": 0, "melody": rng.choice([0, 1]), "arpeggio": rng.choice([0, 1])}[role]
    lengths = {"melody": [0.25, 0.5, 0.5, 1, 1.5, 2], "chords": [1, 2, 4], "arpeggio": [0.25, 0.5], "bass": [0.5, 1, 2]}[role]
    legato, rest = rng.uniform(0.5, 1.1), rng.uniform(0, 0.25)
    glides = rng.random() < 0.3
    degree, at, last, human = 0, 0.0, None, rng.uniform(0, 0.02)
    fixed = rng.choice(lengths) if rng.random() < 0.4 else None
    while at * RATE < n:
        length = beat * (fixed if fixed is not None else rng.choice(lengths))
        if rng.random() > rest:
            degree = int(np.clip(degree + rng.integers(-3, 4), -5, 9))
            steps = [degree, degree + 2, degree + 4][: voices if role == "chords" else 1]
            for d in steps:
                f = tonic * 2 ** (octave + d // len(scale) + scale[d % len(scale)] / 12)
                y = inst.note(rng, min(f, 3000), length * legato, last if glides else None)
                last = f
                start = int((at + rng.uniform(0, human)) * RATE)
                end = min(len(x), start + len(y))
                x[start:end] += rng.uniform(0.5, 1) * y[: end - start]
        at += length
    return x[:n]


def _drums(rng, n, beat):
    x = np.zeros(n + RATE)
    kick_n = int(0.25 * RATE)
    t = np.arange(kick_n) / RATE
    kick = np.sin(2 * np.pi * np.cumsum(45 + 120 * np.exp(-t * 40)) / RATE) * np.exp(-t * rng.uniform(10, 25))
    snare = (rng.standard_normal(kick_n) * rng.uniform(0.4, 1) + np.sin(2 * np.pi * rng.uniform(150, 250) * t)) * np.exp(-t * rng.uniform(12, 40))
    b = signal.butter(2, rng.uniform(3000, 6000), "high", fs=RATE)
    hat = signal.lfilter(*b, rng.standard_normal(kick_n)) * np.exp(-t * rng.uniform(20, 90))
    brush = signal.lfilter(*signal.butter(1, [800, 4000], "band", fs=RATE), rng.standard_normal(kick_n)) * signal.windows.hann(kick_n)
    grid = beat / rng.choice([2, 4])
    pattern = [(s, rng.random(16) < p, rng.uniform(0.2, 1)) for s, p in ((kick, 0.25), (snare, 0.2), (hat, 0.6), (brush, 0.15))]
    for i in range(int(n / RATE / grid)):
        for sound, hits, level in pattern:
            if hits[i % 16]:
                at = int(i * grid * RATE)
                x[at : at + kick_n] += level * rng.uniform(0.6, 1) * sound
    return x[:n]


def music(rng, n):
    """An instrumental piece of 1 to 4 lines, often with drums, often in a room."""
    beat = 60 / rng.uniform(50, 170)
    tonic, scale = rng.uniform(130, 330), SCALES[rng.integers(0, len(SCALES))]
    x = np.zeros(n)
    for _ in range(rng.choice([1, 1, 2, 3, 4])):
        line = _line(rng, n, beat, tonic, scale, rng.integers(2, 4))
        x += rng.uniform(0.3, 1) * line / (line.std() + 1e-9)
    if rng.random() < 0.5:
        d = _drums(rng, n, beat)
        x += rng.uniform(0.2, 1.5) * d / (d.std() + 1e-9)
    elif rng.random() < 0.06:
        x = _drums(rng, n, beat)
    if rng.random() < 0.6:
        x = _reverb(rng, x)
    if rng.random() < 0.4:
        x = np.tanh(x / (x.std() + 1e-9) * rng.uniform(0.3, 2))
    return x / (x.std() + 1e-9)
