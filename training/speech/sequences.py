"""Ten-second scenes with a label for every 80 ms: 1 speech, 0 not, -1 not counted."""

import csv
import pathlib

import numpy as np
import soundfile
from scipy import signal

import signals
from features import HOP, features

RATE = 16000
LENGTH = 10 * RATE
STEP = 4 * HOP


def load_speech(root, split):
    """Clips of a split with their labels, without share-alike rows: (name, samples, label per sample)."""
    clips = []
    for row in csv.DictReader(open(pathlib.Path(root) / "manifest.csv")):
        shared_alike = "SA" in row["licence"] or "ODbL" in row["licence"]
        if row["split"] == split and not shared_alike:
            x, rate = soundfile.read(pathlib.Path(root) / row["file"], dtype="float32")
            assert rate == RATE
            clips.append((row["file"], x, talk(x)))
    return clips


def talk(x):
    """Speech with pauses of up to 0.4 s is 1; longer pauses are -1 (a pause, or a breath: nobody's error)."""
    frames = len(x) // 160
    level = 10 * np.log10((x[: frames * 160].reshape(frames, 160) ** 2).mean(1) + 1e-9)
    level = np.convolve(level, np.ones(3) / 3, "same")
    active = np.flatnonzero(level > np.percentile(level, 95) - 32)
    label = np.full(len(x), -1, np.int8)
    for a, b in zip(active[:-1], active[1:]):
        if b - a <= 40:
            label[a * 160 : b * 160 + 160] = 1
    return label


def mulaw(x):
    """To 8 kHz, through G.711 mu-law, and back."""
    narrow = signal.resample_poly(x, 1, 2)
    companded = np.sign(narrow) * np.log1p(255 * np.minimum(1, np.abs(narrow))) / np.log(256)
    companded = (np.floor(np.abs(companded) * 128).clip(0, 127) + 0.5) / 128 * np.sign(companded)
    return signal.resample_poly(np.sign(companded) * (256 ** np.abs(companded) - 1) / 255, 2, 1)[: len(x)]


def pitched(rng, x, label):
    """Another speaker or tempo: played up to 12 % faster or slower."""
    up = int(rng.integers(88, 113))
    y = signal.resample_poly(x, up, 100)
    index = np.minimum((np.arange(len(y)) * 100 / up).astype(int), len(x) - 1)
    return y, label[index]


def channel(rng, x):
    """What a line does: band limits, tilt, room, gain, G.711."""
    if rng.random() < 0.3:
        x = signals._reverb(rng, x)
    if rng.random() < 0.4:
        low = rng.uniform(60, 400)
        x = signal.lfilter(*signal.butter(2, low, "high", fs=RATE), x)
    if rng.random() < 0.3:
        x = signal.lfilter(*signal.butter(rng.integers(1, 5), rng.uniform(2500, 7500), fs=RATE), x)
    if rng.random() < 0.3:
        a = rng.uniform(-0.6, 0.9)
        x = signal.lfilter([1, -a], [1], x)
    return x


def rms(x):
    return np.sqrt((x**2).mean()) + 1e-9


def scene(rng, speech, music):
    """(features, labels) of one scene."""
    kind = rng.choice(["talk", "mixed", "music", "other"], p=[0.42, 0.2, 0.2, 0.18])
    x = np.zeros(LENGTH)
    label = np.zeros(LENGTH, np.int8)
    at = int(rng.uniform(0, 1.5) * RATE) if rng.random() < 0.5 else -int(rng.uniform(0, 2) * RATE)
    while at < LENGTH:
        y, z = part(rng, kind, speech, music)
        lo, hi = max(0, at), min(LENGTH, at + len(y))
        if hi > lo:
            x[lo:hi] = y[lo - at : hi - at]
            label[lo:hi] = z[lo - at : hi - at]
        at += len(y)
        if rng.random() < 0.6:
            at += int(rng.exponential(0.4 if kind == "talk" else 0.8) * RATE)
    x = channel(rng, x)
    if kind == "other" and rng.random() < 0.5:
        x = x * 10 ** rng.uniform(-2.5, 0)
    loud = np.abs(x) > 0
    level = np.sqrt((x[loud] ** 2).mean()) if loud.any() else 0.1
    if rng.random() < 0.6:
        snr = rng.uniform(5, 14) if rng.random() < 0.5 else rng.uniform(6, 45)
        x = x + level * 10 ** (-snr / 20) * (signals.shaped(rng, LENGTH) if rng.random() < 0.7 else signals.coloured(rng, LENGTH))
    x = x / level * 10 ** (rng.uniform(-42, -12) / 20)
    x = np.clip(x, -1, 1)
    draw = rng.random()
    if draw < 0.35:
        x = mulaw(x)
    elif draw < 0.8:
        x = np.round(x * 32768 + rng.uniform(-0.5, 0.5, LENGTH)) / 32768
    blocks = label.reshape(-1, STEP)
    share, unsure = (blocks == 1).mean(1), (blocks == -1).mean(1)
    steps = np.where(share >= 0.7, 1, np.where((share <= 0.1) & (unsure == 0), 0, -1)).astype(np.int8)
    return features(x).astype(np.float16), steps


def part(rng, kind, speech, music):
    """One stretch of a scene: (samples, label per sample)."""
    if kind == "talk" or (kind == "mixed" and rng.random() < 0.5):
        _, x, label = speech[rng.integers(len(speech))]
        if rng.random() < 0.5:
            x, label = pitched(rng, x, label)
        x = x / rms(x) * 10 ** (rng.uniform(-5, 5) / 20)
        if rng.random() < 0.15:
            bed = piece(rng, music, len(x))
            x = x + bed * rms(x) * 10 ** (-rng.uniform(8, 25) / 20)
        return x, label
    if kind == "music" or (kind == "mixed" and rng.random() < 0.4):
        n = int(rng.uniform(2, 10) * RATE) if kind == "mixed" else LENGTH * 2
        x = piece(rng, music, n)
    else:
        n = int(rng.uniform(0.5, 10) * RATE)
        make = rng.choice([signals.tones, signals.shaped, signals.coloured, signals.bursts, None])
        x = np.zeros(n) if make is None else make(rng, n) * 10 ** (rng.uniform(-20, 5) / 20)
    return x, np.zeros(len(x), np.int8)


def piece(rng, music, n):
    """A cut of a piece, at another speed."""
    x = music[rng.integers(len(music))].astype(np.float64)
    if rng.random() < 0.7:
        x = signal.resample_poly(x, int(rng.integers(80, 126)), 100)
    x = np.roll(x, rng.integers(len(x)))
    return np.tile(x, n // len(x) + 1)[:n]
