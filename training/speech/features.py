"""The features of src/stream/speech-features.ts, for many frames at once. A parity check lives in train.py."""

import numpy as np

HOP, SIZE = 320, 512
FIRST, END, BANDS, LAG = 4, 112, 18, 2
REGIONS = [FIRST, 32, 72, END]
COUNT = BANDS + 2 * (len(REGIONS) - 1)
FLOOR = 10**-7.5 * (3 / 8) * SIZE
WINDOW = np.sin(np.pi * np.arange(SIZE) / SIZE) ** 2


def _edges():
    mel = lambda b: np.log(1 + b * 31.25 / 700)
    edges = [FIRST]
    for band in range(1, BANDS + 1):
        target = mel(FIRST) + (mel(END) - mel(FIRST)) * band / BANDS
        edges.append(max(int(np.floor(700 * (np.exp(target) - 1) / 31.25 + 0.5)), edges[-1] + 2))
    return edges


EDGES = _edges()
assert EDGES[-1] == END, EDGES


def features(x):
    """[frames, COUNT] of a signal; frame t covers the SIZE samples that end at HOP * (t + 1)."""
    count = len(x) // HOP
    padded = np.concatenate([np.zeros(SIZE - HOP), x.astype(np.float64)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP][:count]
    power = np.abs(np.fft.rfft(frames * WINDOW, axis=1)[:, :END]) ** 2
    out = np.empty((count, COUNT), np.float32)
    for b in range(BANDS):
        band = power[:, EDGES[b] : EDGES[b + 1]]
        out[:, b] = np.log1p(band.mean(1) / FLOOR) / 4
    relative = 1 + power / FLOOR
    logs = np.log(relative)
    change = np.abs(logs - np.concatenate([np.zeros((LAG, END)), logs])[:count])
    for r in range(len(REGIONS) - 1):
        a, b = REGIONS[r], REGIONS[r + 1]
        out[:, BANDS + r] = np.log(relative[:, a:b].mean(1)) - logs[:, a:b].mean(1)
        out[:, BANDS + len(REGIONS) - 1 + r] = change[:, a:b].mean(1)
    return out
