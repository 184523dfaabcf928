"""A straight line on what the guide hears: the teacher's logits for the stored windows, and how well folds left out are told apart."""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rates import eer

HEARD = slice(3, 7)
"""The layers whose mean and deviation are weighed."""


def weights(spoof: np.ndarray, groups: list[str]) -> np.ndarray:
    """Each class one half; inside it groups by the 0.3rd power of their size if machine, by the square root if human."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weight = np.where(spoof, counts[index] ** -0.7, counts[index] ** -0.5)
    return np.where(spoof, weight / weight[spoof].sum(), weight / weight[~spoof].sum()) * len(spoof) / 2


def fit(heard: np.ndarray, spoof: np.ndarray, groups: list[str], strength: float):
    """Logistic regression on standardised pooled layers."""
    line = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200))
    line.fit(heard, spoof, logisticregression__sample_weight=weights(spoof, groups))
    return line


def main(options: argparse.Namespace) -> None:
    rows = json.loads((options.work / "views.json").read_text())
    kept = np.load(options.work / "guide_pooled.npy", mmap_mode="r")
    heard = np.asarray(kept[:, HEARD], np.float32).reshape(len(kept), -1)
    spoof, fold = np.array([r["spoof"] for r in rows]), np.array([r["fold"] for r in rows])
    groups, corpus = [r["group"] for r in rows], np.array([r["corpus"] for r in rows])
    for gone in [None, *options.folds]:
        mine = np.ones(len(rows), bool) if gone is None else fold != gone
        line = fit(heard[mine], spoof[mine], [g for g, m in zip(groups, mine, strict=True) if m], options.strength)
        logits = line.decision_function(heard).astype(np.float32)
        np.save(options.work / (f"taught-{gone}.npy" if gone is not None else "taught.npy"), logits)
        if gone is not None:
            judged = ~mine & corpus
            print(f"fold {gone}: EER of degraded windows {eer(logits[judged & ~spoof], logits[judged & spoof]):.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--strength", type=float, default=0.002)
    main(parser.parse_args())
