"""Write golden.json beside the test clips: what the pack says about each window, and what states evidence leads to."""

import argparse
import json
from math import gcd
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

from scoring import RATE, Heard, Scorer, Thresholds, cuts

NOTE = (
    "All audio taken as speech. windows: llr = a * logit + b of the stretch from start to end, repeated until it fills 64,000 samples. "
    "clip_llr: sum of min(16000, fresh) / 64000 * 4 * tanh(llr / 4), where fresh is what no earlier window held. "
    "tolerance: largest absolute difference of any llr. declined: whether the distance is above the pack's. "
    "wandering: LLRs made by a random walk, and the evidence and state after each window of that length."
)
WANDERING_S = 64.3


def channel(samples: np.ndarray, rate: int, scorer: Scorer) -> dict:
    """All windows of one channel, and the recording's LLR."""
    if rate != RATE:
        divisor = gcd(rate, RATE)
        samples = resample_poly(samples, RATE // divisor, rate // divisor)
    heard = scorer.hear(samples.astype(np.float32))
    return {
        "samples": len(samples),
        "windows": [
            {"start": c.start, "end": c.end, "llr": round(float(x), 5), "declined": not near}
            for c, x, near in zip(heard.cuts, heard.llrs, heard.near.tolist(), strict=True)
        ],
        "clip_llr": round(heard.llr, 5),
    }


def wandering(at: Thresholds) -> dict:
    """Evidence that goes through every state, some of it declined: by windows of a channel, LLR or null, and the evidence and state that follow."""
    stretches, rng = cuts(int(WANDERING_S * RATE)), np.random.default_rng(2)
    drift = np.interp(np.arange(len(stretches)), [0, 15, 35, len(stretches)], [2, 3, -4, 1])
    llrs, near = np.round(drift + rng.normal(0, 2, len(stretches)), 3), rng.random(len(stretches)) > 0.1
    evidence, states = zip(*Heard(stretches, llrs, near).run(at), strict=True)
    return {
        "samples": stretches[-1].end,
        "llrs": [float(x) if judged else None for x, judged in zip(llrs, near.tolist(), strict=True)],
        "evidence": [round(x, 6) for x in evidence],
        "states": states,
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
    golden = {"note": NOTE, "model": model, "calibration": manifest["calibration"]["id"], "clips": clips,
              "wandering": wandering(Thresholds(**manifest["detection"]["thresholds"]))}
    (options.clips / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("clips", type=Path)
    main(parser.parse_args())
