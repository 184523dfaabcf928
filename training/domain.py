"""How far audio is from the speech that a network was trained on: a Mahalanobis distance of what it hears.

The network's frames, mean and deviation over time, are 400 numbers. A Gaussian with a shrunken covariance (Ledoit and Wolf,
2004) is fitted to those of training windows; the distance is its exponent without the one half, divided by 400, so that it is
about 1 for them. `farthest`, from which a window is not judged, is what 99 % of the windows of folds left out stay below, each
heard by the network that was trained without the fold.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from torch import nn

from judge import load_average
from networks.guided import summary

FITTED = 4_000
"""Windows that a Gaussian is fitted to."""


@torch.no_grad()
def embedded(model: nn.Module, audio: np.ndarray) -> np.ndarray:
    """[N, 400] of samples [N, 64000] int16."""
    out = []
    for i in range(0, len(audio), 32):
        frames = model.both(model.front(torch.from_numpy(audio[i : i + 32].astype(np.float32) / 32768)))[1]
        out.append(summary(frames).numpy())
    return np.concatenate(out)


def gaussian(summaries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [400] and matrix [400, 400] for which the distance is the squared length of (summary - mean) @ matrix."""
    covariance, _ = ledoit_wolf(summaries)
    whitened = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return summaries.mean(0), whitened / np.sqrt(summaries.shape[1])


def distances(summaries: np.ndarray, mean: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """One number for each summary, about 1 for what the Gaussian was fitted to."""
    return np.sum(((summaries - mean) @ matrix) ** 2, axis=1)


class Judged(nn.Module):
    """[B, 64000] samples to [B, 2]: the logit, and the distance."""

    def __init__(self, model: nn.Module, mean: np.ndarray, matrix: np.ndarray) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("matrix", torch.from_numpy(matrix).float())

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        logit, frames = self.model.both(self.model.front(audio))
        away = (summary(frames) - self.mean) @ self.matrix
        return torch.stack([logit, (away * away).sum(dim=1)], dim=1)


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    rows = json.loads((options.work / "views.json").read_text())
    audio, rng = np.load(options.work / "views.npy", mmap_mode="r"), np.random.default_rng(11)
    fold = np.array([r["fold"] for r in rows])
    judged = np.array([r["corpus"] and r["treatment"] != "degraded" for r in rows])
    limits = {}
    for gone in options.folds:
        model = load_average(options.work / options.checkpoints.format(fold=gone))
        known = rng.choice(np.flatnonzero(fold != gone), FITTED // 2, replace=False)
        left = np.flatnonzero((fold == gone) & judged)
        mean, matrix = gaussian(embedded(model, audio[np.sort(known)]))
        limits[gone] = float(np.quantile(distances(embedded(model, audio[left]), mean, matrix), 0.99))
        print(f"fold {gone}: 99 % of {len(left)} windows within {limits[gone]:.2f}", flush=True)
    known = np.sort(rng.choice(len(rows), FITTED, replace=False))
    mean, matrix = gaussian(embedded(load_average(options.work / options.main), audio[known]))
    np.savez(options.work / "domain.npz", mean=mean, matrix=matrix)
    farthest = round(float(np.max(list(limits.values()))), 3)
    (options.work / "domain.json").write_text(json.dumps({"farthest": farthest, "folds": limits}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("main", help="checkpoint of the network that ships, below work")
    parser.add_argument("checkpoints", help="path below work with {fold} in it")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 3, 4])
    main(parser.parse_args())
