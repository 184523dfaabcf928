"""Write golden.json beside the test clips: what the pack says about each window."""

import argparse
import json
from math import gcd
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

from scoring import HOP, RATE, WINDOW, Scorer, bounded

NOTE = (
    "llr = a * logit + b, and distance, of each 64,000-sample window, hop 16,000; a remainder starts at the next hop and is tiled. "
    "clip_llr = sum of hop / window * 4 * tanh(llr / 4). tolerance: largest absolute difference of any llr. declined: whether the distance is above the pack's."
)


def channel(samples: np.ndarray, rate: int, scorer: Scorer) -> dict:
    """All windows of one channel, and the recording's LLR."""
    if rate != RATE:
        divisor = gcd(rate, RATE)
        samples = resample_poly(samples, RATE // divisor, rate // divisor)
    starts, llrs, distances = scorer.judged(samples.astype(np.float32))
    return {
        "samples": len(samples),
        "windows": [
            {"start": s, "end": min(s + WINDOW, len(samples)), "llr": round(float(x), 5), "declined": bool(d > scorer.farthest)}
            for s, x, d in zip(starts, llrs, distances, strict=True)
        ],
        "clip_llr": round(float(np.sum(bounded(llrs)) * HOP / WINDOW), 5),
    }


def main(options: argparse.Namespace) -> None:
    manifest = json.loads((options.pack / "model.json").read_text())
    scorer = Scorer.of(options.pack)
    clips = {}
    for file in sorted(p for p in options.clips.iterdir() if p.suffix in (".flac", ".wav")):
        audio, rate = sf.read(file, always_2d=True, dtype="float64")
        clips[file.name] = {
            "rate": rate,
            "tolerance": 1e-3 if rate == RATE else 0.1,
            "channels": [channel(audio[:, c], rate, scorer) for c in range(audio.shape[1])],
        }
    model = {"version": manifest["version"], "sha256": manifest["files"]["model.onnx"]["sha256"]}
    golden = {"note": NOTE, "model": model, "calibration": manifest["calibration"]["id"], "clips": clips}
    (options.clips / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("clips", type=Path)
    main(parser.parse_args())
