"""A straight line and a kernel on what the guide hears: the teacher's logits for the stored windows, the mean of the two.

The kernel lives on a few landmarks (Nystroem's method: Williams and Seeger, 2001), centres of k-means; it can say that something is
unlike both classes, which a line cannot. It also tells how well folds left out are told apart.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from guide import TAUGHT
from rates import eer

HEARD = slice(3, 7)
"""The layers whose mean and deviation the line weighs; the kernel has the taught one alone."""
LANDMARKS = 1_000


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


def gaussian(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """[n, m] of exp(-|x_i - z_j|^2 / width)."""
    return np.exp(-((x * x).sum(1)[:, None] - 2 * x @ z.T + (z * z).sum(1)) / x.shape[1])


def fit_kernel(heard: np.ndarray, spoof: np.ndarray, groups: list[str], landmarks: int = LANDMARKS, strength: float = 100):
    """Logistic regression on Gaussians about landmarks, of standardised numbers; a function from [n, width] to logits [n]."""
    middle, scale = heard.mean(0), 1 / (heard.std(0) + 1e-6)
    x = ((heard - middle) * scale).astype(np.float64)
    z = MiniBatchKMeans(landmarks, random_state=0, n_init=1, max_iter=20, batch_size=4 * landmarks).fit(x).cluster_centers_
    values, vectors = np.linalg.eigh(gaussian(z, z))
    root = vectors[:, values > 1e-6] / np.sqrt(values[values > 1e-6])
    line = LogisticRegression(C=strength, max_iter=1000).fit(gaussian(x, z) @ root, spoof, sample_weight=weights(spoof, groups))
    return lambda new: gaussian((new - middle) * scale, z) @ (root @ line.coef_[0]) + line.intercept_[0]


def main(options: argparse.Namespace) -> None:
    rows = json.loads((options.work / "views.json").read_text())
    kept = np.load(options.work / "guide_pooled.npy", mmap_mode="r")
    heard = np.asarray(kept[:, HEARD], np.float32).reshape(len(kept), -1)
    summary = np.asarray(kept[:, TAUGHT], np.float32)
    spoof, fold = np.array([r["spoof"] for r in rows]), np.array([r["fold"] for r in rows])
    groups, corpus = [r["group"] for r in rows], np.array([r["corpus"] for r in rows])
    for gone in [None, *options.folds]:
        mine = np.ones(len(rows), bool) if gone is None else fold != gone
        known = [g for g, m in zip(groups, mine, strict=True) if m]
        line = fit(heard[mine], spoof[mine], known, options.strength).decision_function(heard)
        logits = ((line + fit_kernel(summary[mine], spoof[mine], known)(summary)) / 2).astype(np.float32)
        np.save(options.work / (f"taught-{gone}.npy" if gone is not None else "taught.npy"), logits)
        if gone is not None:
            judged = ~mine & corpus
            print(f"fold {gone}: EER of windows {eer(logits[judged & ~spoof], logits[judged & spoof]):.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--strength", type=float, default=0.002)
    main(parser.parse_args())
