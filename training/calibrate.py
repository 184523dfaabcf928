"""Fit LLR = a * logit + b on clips that the scoring networks never heard: each network scores the fold left out of it."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from augment import degrade
from clips import Corpus
from telephony import telephone
from export import load
from scoring import windows

SHRINK = 1.0
"""Factor on `a` after the fit; below 1 where more than the fit's own caution is wanted."""


def fit(logits: np.ndarray, spoof: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Logistic regression with each class weighing one half, so that the log odds are a log likelihood ratio."""
    weight = np.where(spoof, weight / weight[spoof].sum(), weight / weight[~spoof].sum())
    sign = np.where(spoof, 1.0, -1.0)

    def cost(ab: np.ndarray) -> float:
        return float(np.sum(weight * np.logaddexp(0, -sign * (ab[0] * logits + ab[1]))))

    a, b = minimize(cost, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-9}).x
    return float(a), float(b)


@torch.no_grad()
def held_out_logits(corpus: Corpus, fold: int, checkpoint: Path) -> list[tuple[float, bool, str]]:
    """Logit, class and group of every window of the fold, clean, through mu-law and degraded."""
    model, out = load(checkpoint), []
    for i, clip in enumerate(c for c in corpus.dev() if c.fold == fold):
        samples = corpus.samples(clip)
        rng = np.random.default_rng((7, fold, i))
        for version in (samples, telephone(samples), degrade(samples, rng)):
            _, audio = windows(version)
            group = clip.family if clip.spoof else clip.corpus
            out += [(float(x), clip.spoof, group) for x in model(torch.from_numpy(audio))]
    return out


def equal_groups(groups: np.ndarray) -> np.ndarray:
    """Weights that give a group the square root of its size."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return 1 / np.sqrt(counts[index])


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    corpus = Corpus(options.work)
    rows = [row for fold in options.folds for row in held_out_logits(corpus, fold, options.work / f"fold{fold}.pt")]
    logits, spoof = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    a, b = fit(logits, spoof, equal_groups(np.array([r[2] for r in rows])))
    result = {
        "id": options.id,
        "a": round(a * SHRINK, 4),
        "b": round(b * SHRINK, 4),
        "data": f"{len(rows)} windows of the development folds {', '.join(map(str, options.folds))}, each scored by a "
        "network trained without that fold; clean, through 8 kHz mu-law, and degraded as in training",
        "windows": {"human": int((~spoof).sum()), "machine": int(spoof.sum())},
    }
    (options.work / "calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 3])
    parser.add_argument("--id", default="default-1")
    main(parser.parse_args())
