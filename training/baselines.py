"""What could be told without listening: duration, level, silence and bandwidth, and what they are worth.

One number at a time and all together (logistic regression, each fold judged by the others), beside the network's EER.
Shortcuts must not pay: a baseline far below 50 % would mean that the corpus tells the classes apart by its handling.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from clips import Corpus
from rates import eer

RATE = 16_000


def metadata(samples: np.ndarray) -> dict[str, float]:
    """The numbers of one clip."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    power = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    loud = power.max() - 40
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    share = np.cumsum(spectrum) / (spectrum.sum() + 1e-12)
    return {
        "duration_s": len(samples) / RATE,
        "level_db": float(10 * np.log10(np.mean(samples**2) + 1e-10)),
        "peak_db": float(20 * np.log10(np.abs(samples).max() + 1e-6)),
        "silence_share": float(np.mean(power < loud)),
        "floor_db": float(np.quantile(power, 0.05) - power.max()),
        "bandwidth_hz": float(np.searchsorted(share, 0.995) / len(share) * RATE / 2),
    }


def either_way(human: np.ndarray, machine: np.ndarray) -> float:
    """EER of a number whose direction is not known beforehand."""
    return min(eer(human, machine), eer(-human, -machine))


def logistic(x: np.ndarray, spoof: np.ndarray) -> np.ndarray:
    """Weights (bias last) of a regularised logistic regression, each class one half."""
    x = np.c_[x, np.ones(len(x))]
    weight = np.where(spoof, 0.5 / spoof.sum(), 0.5 / (~spoof).sum())

    def cost(w: np.ndarray) -> float:
        return float(np.sum(weight * np.logaddexp(0, np.where(spoof, -1, 1) * (x @ w))) + 1e-3 * np.sum(w[:-1] ** 2))

    return minimize(cost, np.zeros(x.shape[1]), method="L-BFGS-B").x


def left_out(x: np.ndarray, spoof: np.ndarray, fold: np.ndarray) -> list[float]:
    """EER of each fold, scored by all numbers together as the other folds weigh them."""
    out = []
    for f in np.unique(fold):
        train, judged = fold != f, fold == f
        mean, deviation = x[train].mean(0), x[train].std(0) + 1e-9
        w = logistic((x[train] - mean) / deviation, spoof[train])
        score = ((x[judged] - mean) / deviation) @ w[:-1] + w[-1]
        out.append(eer(score[~spoof[judged]], score[spoof[judged]]))
    return out


def main(options: argparse.Namespace) -> None:
    corpus = Corpus(options.work)
    clips = corpus.dev()
    rows = [metadata(corpus.samples(c)) for c in clips]
    names = list(rows[0])
    x, spoof = np.array([[r[n] for n in names] for r in rows]), np.array([c.spoof for c in clips])
    fold = np.array([c.fold for c in clips])
    every = left_out(x, spoof, fold)
    result = {
        "single": {n: round(either_way(x[~spoof, i], x[spoof, i]), 4) for i, n in enumerate(names)},
        "all_together": {"folds": [round(e, 4) for e in every], "mean": round(float(np.mean(every)), 4)},
    }
    if options.judged:
        result["network"] = json.loads(options.judged.read_text())["summary"]["clean"][0]
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--judged", type=Path, help="what judge.py wrote about the network beside it")
    main(parser.parse_args())
