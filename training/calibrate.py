"""Fit LLR = a * logit + b on clips that the scoring networks never heard: each network scores the fold left out of it.

Two steps. Logistic regression on single windows gives the line. Windows of one call share a voice, a room and a
synthesiser, so their errors go the same way and their sum claims too much: the line is then multiplied by the one factor
that makes the evidence of whole channels honest.
"""

import argparse
import collections
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar

from augment import degrade
from clips import Clip, Corpus
from export import load
from scoring import HOP, WINDOW, bounded, windows
from telephony import telephone

CHANNEL_CLIPS = 5
WINDOWS_A_CLIP = 4
"""A clip lasts about 4 s, so in a running channel about four windows begin in it."""


@dataclass(frozen=True)
class Scored:
    """The logits of one clip's windows after one treatment."""

    clip: Clip
    treatment: str
    logits: np.ndarray

    @property
    def group(self) -> str:
        """What shares a weight: family of a machine, corpus of a human."""
        return self.clip.family if self.clip.spoof else self.clip.corpus

    @property
    def voice(self) -> tuple[str, str]:
        """What one channel would hold: one system, or one speaker (one corpus where speakers are not named)."""
        source = self.clip.system if self.clip.spoof else self.clip.speaker or self.clip.corpus
        return source, self.treatment


@torch.no_grad()
def score_fold(corpus: Corpus, fold: int, checkpoint: Path) -> list[Scored]:
    """Every clip of the fold: clean, through mu-law, and degraded as in training."""
    model, out = load(checkpoint), []
    for i, clip in enumerate(c for c in corpus.dev() if c.fold == fold):
        samples = corpus.samples(clip)
        rng = np.random.default_rng((7, fold, i))
        for name, audio in (("clean", samples), ("mu-law", telephone(samples)), ("degraded", degrade(samples, rng))):
            out.append(Scored(clip, name, model(torch.from_numpy(windows(audio)[1])).numpy().astype(float)))
    return out


def weights(spoof: np.ndarray, groups: list[str]) -> np.ndarray:
    """Each class one half; inside it a group weighs the square root of its size."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(counts[index])
    return np.where(spoof, weight / weight[spoof].sum(), weight / weight[~spoof].sum()) / 2


def cross_entropy(llr: np.ndarray, spoof: np.ndarray, weight: np.ndarray) -> float:
    """Weighted cost of these LLRs at even odds, in bits: 1 for knowing nothing."""
    return float(np.sum(weight * np.logaddexp(0, np.where(spoof, -llr, llr))) / np.log(2))


def fit_line(scored: list[Scored]) -> tuple[float, float, float]:
    """a, b and the cost of logistic regression on windows."""
    logits = np.concatenate([s.logits for s in scored])
    spoof = np.array([s.clip.spoof for s in scored for _ in s.logits])
    weight = weights(spoof, [s.group for s in scored for _ in s.logits])
    best = minimize(lambda ab: cross_entropy(ab[0] * logits + ab[1], spoof, weight), [1.0, 0.0], method="Nelder-Mead")
    return float(best.x[0]), float(best.x[1]), float(best.fun)


def fit_factor(scored: list[Scored], a: float, b: float) -> tuple[float, dict]:
    """The factor on a and b that costs channels of a few clips of one voice least, never above 1."""
    voices = collections.defaultdict(list)
    for s in scored:
        voices[s.voice].append(s)
    rng, drawn = np.random.default_rng(3), []
    for voice in sorted(voices):
        members = voices[voice]
        for _ in range(max(1, len(members) // CHANNEL_CLIPS)):
            drawn.append([members[i] for i in rng.permutation(len(members))[:CHANNEL_CLIPS]])
    spoof = np.array([d[0].clip.spoof for d in drawn])
    weight = weights(spoof, [d[0].group for d in drawn])

    def evidence(factor: float) -> np.ndarray:
        clip = lambda s: np.mean(bounded(factor * (a * s.logits + b))) * WINDOWS_A_CLIP * HOP / WINDOW  # noqa: E731
        return np.array([np.sum([clip(s) for s in d]) for d in drawn])

    best = minimize_scalar(lambda f: cross_entropy(evidence(f), spoof, weight), bounds=(0.05, 1), method="bounded")
    report = {"channels": len(drawn), "cost_before": round(cross_entropy(evidence(1), spoof, weight), 3),
              "cost_after": round(float(best.fun), 3)}
    return float(best.x), report


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    corpus = Corpus(options.work)
    scored = [s for fold in options.folds for s in score_fold(corpus, fold, options.work / f"fold{fold}.pt")]
    a, b, cost = fit_line(scored)
    factor, channels = fit_factor(scored, a, b)
    count = sum(len(s.logits) for s in scored)
    result = {
        "id": options.id,
        "a": round(a * factor, 4),
        "b": round(b * factor, 4),
        "data": f"{count} windows of the development folds {', '.join(map(str, options.folds))}, each scored by a network "
        "trained without that fold; clean, through 8 kHz mu-law, and degraded as in training",
        "line": {"a": round(a, 4), "b": round(b, 4), "cost_bits": round(cost, 3)},
        "factor": round(factor, 4),
        "channels": channels,
    }
    (options.work / "calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 3])
    parser.add_argument("--id", default="default-1")
    main(parser.parse_args())
