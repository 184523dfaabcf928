"""Every stored window through a call: `calls.npy` beside `views.npy`, row by row.

A network that learns to hear past calls meets them more often than the windows, so each is encoded once for all networks. The row
alone decides the call: a copy's is its human's.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from augment import opus
from telephony import ALAW, MULAW, telephone


def call(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a telephone, or three times as often through Opus, some packets of which may be lost: it is the harder to hear past."""
    if rng.random() < 0.25 or not opus.available:
        return telephone(samples, (MULAW, ALAW)[rng.integers(2)])
    lost = rng.random(len(samples) // opus.FRAME + 1) < rng.choice([0, 0, 0.05])
    return opus.round_trip(samples, int(rng.choice([8_000, 12_000, 16_000, 24_000])), lost)


def called(views: np.ndarray, rows: list[dict], row: int) -> np.ndarray:
    """One stored window through its call, int16 [64000]."""
    rng = np.random.default_rng((31, rows[row]["pair"] if rows[row]["kind"] else row))
    heard = call(views[row].astype(np.float32) / 32768, rng)
    return np.round(np.clip(heard, -1, 32767 / 32768) * 32768).astype(np.int16)


def main(options: argparse.Namespace) -> None:
    rows = json.loads((options.work / "views.json").read_text())
    views, file, started = np.load(options.work / "views.npy", mmap_mode="r"), options.work / "calls.npy", time.time()
    if not file.exists():
        np.lib.format.open_memmap(file, "w+", np.int16, views.shape).flush()
    out, done = np.lib.format.open_memmap(file, "r+"), options.work / f"calls.{options.part}of{options.parts}"
    first = int(done.read_text()) if done.exists() else options.part
    for i in range(first, len(views), options.parts):
        out[i] = called(views, rows, i)
        if i // options.parts % 500 == 499 or i + options.parts >= len(views):
            out.flush()
            done.write_text(str(i + options.parts))
            print(f"{i + 1} of {len(views)} calls, {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", type=int, default=0, help="which part of the windows this process makes")
    parser.add_argument("--parts", type=int, default=1)
    main(parser.parse_args())
