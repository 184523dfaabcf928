"""Windows for training: what to cut out of the clips, and what happens to it on the way to the detector.

Both classes pass through the same steps with the same odds, so no step tells them apart.
"""

import io

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

from telephony import ALAW, G722, MULAW, Gsm, Opus, Suppressor, telephone
from model import WINDOW

RATE = 16_000
SPEEDS = ((12, 13), (15, 16), (19, 20), (24, 25), (25, 24), (20, 19), (16, 15), (13, 12))
opus, gsm, wideband, suppressor = Opus(), Gsm(), G722(), Suppressor()


def tile(samples: np.ndarray, length: int = WINDOW) -> np.ndarray:
    """The samples repeated until they fill `length`."""
    return np.tile(samples, -(-length // len(samples)))[:length]


def crop(samples: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """A random stretch of at most `length` samples."""
    start = rng.integers(0, max(1, len(samples) - length + 1))
    return samples[start : start + length]


def cut_window(samples: np.ndarray, partner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """4 s as the server will see them: a stretch, a short stretch tiled, or two clips with a pause between."""
    kind = rng.random()
    if kind < 0.4:
        return tile(crop(samples, WINDOW, rng))
    if kind < 0.65:
        return tile(crop(samples, int(rng.uniform(2, 4) * RATE), rng))
    pause = np.zeros(int(rng.uniform(0.05, 0.6) * RATE), np.float32)
    joined = np.concatenate([samples, pause, level_to(partner, level(samples)), pause, samples])
    return tile(crop(joined, WINDOW, rng))


def level(samples: np.ndarray) -> float:
    """Root mean square, never zero."""
    return float(np.sqrt(np.mean(samples**2)) + 1e-6)


def level_to(samples: np.ndarray, target: float) -> np.ndarray:
    """The samples at another level."""
    return samples * (target / level(samples))


def noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with a random slope (0 to -9 dB an octave) at level 1, slowly waving half of the time."""
    spectrum = np.fft.rfft(rng.standard_normal(length).astype(np.float32))
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 50)
    shaped = np.fft.irfft(spectrum * (frequency / 1000) ** (-rng.uniform(0, 1.5)), length).astype(np.float32)
    if rng.random() < 0.5:
        wave = np.interp(np.arange(length), np.linspace(0, length, 12), rng.uniform(0.2, 1, 12))
        shaped = shaped * wave.astype(np.float32)
    return shaped / level(shaped)


def linear_path(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tilt and ripple of a microphone, a room, and the edges of a band, as one multiplication of spectra."""
    n = len(samples) + RATE // 2
    frequency = np.fft.rfftfreq(n, 1 / RATE)
    spectrum = np.fft.rfft(samples, n)
    if rng.random() < 0.6:
        knots = np.array([0, 150, 400, 1000, 2000, 3500, 5000, 6500, 8000])
        spectrum *= 10 ** (np.interp(frequency, knots, rng.normal(0, rng.uniform(0, 4), len(knots))) / 20)
    if rng.random() < 0.3:
        length = int(rng.uniform(0.1, 0.45) * RATE)
        tail = rng.standard_normal(length) * np.exp(-np.arange(length) / RATE * 6.9 / rng.uniform(0.1, 0.7))
        tail[: int(rng.uniform(1, 8) * RATE / 1000)] = 0
        tail *= rng.uniform(0.05, 0.7) / np.sqrt(np.sum(tail**2) + 1e-9)
        tail[0] = 1
        spectrum *= np.fft.rfft(tail, n)
    if rng.random() < 0.35:
        top = rng.choice([3400, 4000, 5500, 6500, 7000, 7500]) * rng.uniform(0.95, 1.03)
        spectrum *= 1 / (1 + np.exp(np.minimum((frequency - top) / rng.uniform(15, 150), 40)))
    if rng.random() < 0.25:
        spectrum *= 1 / (1 + np.exp(np.minimum((rng.uniform(60, 320) - frequency) / 20, 40)))
    return np.fft.irfft(spectrum, n)[: len(samples)].astype(np.float32)


def gate(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A noise gate: 10 ms stretches far under the mean level are turned down, so that clean pauses mean nothing."""
    step = RATE // 100
    count = len(samples) // step
    power = np.mean(samples[: count * step].reshape(count, step) ** 2, axis=1)
    open_ = power > np.mean(power) * 10 ** rng.uniform(-4, -2)
    gain = np.where(np.convolve(open_, np.ones(7), "same") > 0, 1.0, rng.choice([0, 0.03, 0.2]))
    return samples * np.interp(np.arange(len(samples)), (np.arange(count) + 0.5) * step, gain).astype(np.float32)


def subtract(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise suppression as telephones do it: bins near the quietest level of their band are turned down."""
    size, hop = 512, 256
    window = np.sqrt(np.hanning(size + 1)[:size]).astype(np.float32)
    padded = np.pad(samples, (hop, size))
    count = (len(padded) - size) // hop + 1
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count] * window, axis=1)
    power = np.abs(spectrum) ** 2 + 1e-12
    floor = np.quantile(power, rng.uniform(0.05, 0.3), axis=0) * rng.uniform(1, 4)
    gain = np.maximum(1 - floor / power, rng.choice([0, 0.01, 0.1])) ** rng.uniform(0.4, 1)
    frames = np.fft.irfft(spectrum * gain, size, axis=1).astype(np.float32) * window
    out = np.zeros((count + 1) * hop, np.float32)
    out[:-hop] += frames[:, :hop].ravel()
    out[hop:] += frames[:, hop:].ravel()
    return out[hop : hop + len(samples)]


def cleaned(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As softphones and studios clean: RNNoise, or suppression or a gate of our own, or two of them."""
    neural = suppressor.available and rng.random() < 0.6
    if neural:
        samples = suppressor.round_trip(samples)
    if not neural or rng.random() < 0.3:
        samples = (subtract if rng.random() < 0.5 else gate)(samples, rng)
    return samples


def floored(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With the noise of a room or of a microphone under it, 15 to 50 dB down, behind another microphone half of the time."""
    if rng.random() < 0.5:
        samples = linear_path(samples, rng)
    return samples + noise(len(samples), rng) * level(samples) * 10 ** (-rng.uniform(15, 50) / 20)


def as_it_is(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing happens; or G.722, through which some of the humans came: it must not tell them."""
    return wideband.round_trip(samples) if wideband.available and rng.random() < 0.3 else samples


def stretch(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Played up to a twelfth faster or slower, same length: other pitches, other places for a vocoder's marks."""
    up, down = SPEEDS[rng.integers(len(SPEEDS))]
    return tile(resample_poly(samples, up, down).astype(np.float32), len(samples))


def compressed(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through MP3 and back: web audio of either class has seen it."""
    buffer = io.BytesIO()
    level = float(rng.uniform(0.2, 0.9))
    sf.write(buffer, samples, RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=level)
    buffer.seek(0)
    back = sf.read(buffer, dtype="float32")[0]
    return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)]


def line(samples: np.ndarray, rng: np.random.Generator, always: bool = False) -> np.ndarray:
    """A telephone, GSM, Opus with or without lost packets, G.722; or nothing, unless it is `always`."""
    kind = rng.random() * (0.53 if always else 1)
    if kind < 0.22:
        return telephone(samples, MULAW)
    if kind < 0.28:
        return telephone(samples, ALAW)
    if kind < 0.31 and gsm.available:
        return gsm.round_trip(samples)
    if kind < 0.46 and opus.available:
        lost = rng.random(len(samples) // Opus.FRAME + 1) < rng.choice([0, 0, 0.02, 0.05, 0.1])
        return opus.round_trip(samples, int(rng.choice([6_000, 9_000, 12_000, 16_000, 24_000, 32_000])), lost)
    if kind < 0.53 and wideband.available:
        return wideband.round_trip(samples)
    return samples


def resampled(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """By way of another sample rate, with a filter of another steepness: recordings have such a history."""
    up, down = ((11, 16), (3, 4), (1, 2), (11, 8), (3, 2), (2, 1))[rng.integers(6)]
    window = ("kaiser", float(rng.uniform(2, 9)))
    there = resample_poly(samples, up, down, window=window)
    back = resample_poly(there, down, up, window=window).astype(np.float32)
    return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)]


def holes(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Zero stretches of 20 to 400 ms, as lost packets leave them."""
    for _ in range(rng.integers(1, 6)):
        start = rng.integers(0, len(samples))
        samples[start : start + int(rng.uniform(0.02, 0.4) * RATE)] = 0
    return samples


def degrade(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One window through microphone, room, noise, suppression, gate, line and losses, each with some odds."""
    samples = level_to(samples, 10 ** (rng.uniform(-34, -16) / 20))
    if rng.random() < 0.3:
        samples = stretch(samples, rng)
    if rng.random() < 0.15:
        samples = resampled(samples, rng)
    if rng.random() < 0.12:
        samples = compressed(samples, rng)
    if rng.random() < 0.75:
        samples = linear_path(samples, rng)
    if rng.random() < 0.6:
        samples = samples + noise(len(samples), rng) * level(samples) * 10 ** (-rng.uniform(8, 55) / 20)
    if rng.random() < 0.35:
        samples = cleaned(samples, rng)
    samples = np.clip(line(samples.astype(np.float32), rng), -1, 1)
    return holes(samples.copy(), rng) if rng.random() < 0.15 else samples
