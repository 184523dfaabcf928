"""Fit LLR = a * logit + b on clips that the scoring networks never heard: each network scores the fold left out of it.

Two steps. Logistic regression on single windows gives the line. Windows of one call share a voice, a room and a
synthesiser, so their errors go the same way and their sum claims too much: the line is then multiplied by the one factor
that makes the evidence of whole channels honest.
"""

import argparse
import collections
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar

from augment import degrade, opus
from clips import Clip, Corpus
from judge import load_average
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
    """Every other clip of the fold: clean, through mu-law, through Opus at 12 and 24 kbit/s, and degraded as in training."""
    model, out = load_average(checkpoint), []
    for i, clip in enumerate([c for c in corpus.dev() if c.fold == fold][::2]):
        samples = corpus.samples(clip)
        treated = {"clean": samples, "mu-law": telephone(samples), "degraded": degrade(samples, np.random.default_rng((7, fold, i)))}
        if opus.available:
            treated |= {f"Opus {bits // 1000}": opus.round_trip(samples, bits) for bits in (12_000, 24_000)}
        for name, audio in treated.items():
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


def fit_line(folds: dict[int, list[Scored]]) -> tuple[float, dict[int, float], float]:
    """One slope for all, the logit at which each fold's network is of two minds, and the cost, by logistic regression.

    A network that never heard one kind of machine leans to one side by an amount of its own. Pooled without that, the
    leanings would look like ignorance and flatten the slope.
    """
    names = sorted(folds)
    rows = [(i, x, s.clip.spoof, s.group) for i, f in enumerate(names) for s in folds[f] for x in s.logits]
    fold, logits, spoof = (np.array([row[k] for row in rows]) for k in range(3))
    weight = np.zeros(len(rows))
    for i in range(len(names)):
        mine = fold == i
        weight[mine] = weights(spoof[mine], [row[3] for row in rows if row[0] == i]) / len(names)

    def cost(p: np.ndarray) -> float:
        return cross_entropy(p[0] * (logits - p[1:][fold]), spoof, weight)

    best = minimize(cost, [1.0] + [0.0] * len(names), method="Nelder-Mead", options={"maxiter": 4000})
    return float(best.x[0]), dict(zip(names, map(float, best.x[1:]), strict=True)), float(best.fun)


def fit_factor(scored: list[Scored], a: float) -> tuple[float, dict]:
    """The factor on `a` that costs channels of a few clips of one voice least, never above 1."""
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
        clip = lambda s: np.mean(bounded(factor * a * s.logits)) * WINDOWS_A_CLIP * HOP / WINDOW  # noqa: E731
        return np.array([np.sum([clip(s) for s in d]) for d in drawn])

    best = minimize_scalar(lambda f: cross_entropy(evidence(f), spoof, weight), bounds=(0.05, 1), method="bounded")
    report = {"channels": len(drawn), "cost_before": round(cross_entropy(evidence(1), spoof, weight), 3),
              "cost_after": round(float(best.fun), 3)}
    return float(best.x), report


def calibration(folds: dict[int, list[Scored]]) -> dict:
    """a, b and how they came about; the shipped network's middle is taken to be the highest of the folds' middles.

    Where the evidence is weak, it should rather miss a machine than accuse a person.
    """
    slope, middles, cost = fit_line(folds)
    centred = [replace(s, logits=s.logits - middles[fold]) for fold in sorted(folds) for s in folds[fold]]
    factor, channels = fit_factor(centred, slope)
    count = sum(len(s.logits) for s in centred)
    return {
        "a": round(slope * factor, 4),
        "b": round(-slope * factor * max(middles.values()), 4),
        "data": f"{count} windows of the development folds {', '.join(map(str, sorted(folds)))}, each scored by a network "
        "trained without that fold; clean, through 8 kHz mu-law, through Opus at 12 and 24 kbit/s, and degraded as in training",
        "line": {"slope": round(slope, 4), "middles": {f: round(m, 3) for f, m in middles.items()}, "cost_bits": round(cost, 3)},
        "factor": round(factor, 4),
        "channels": channels,
    }


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    corpus = Corpus(options.work)
    result = {"id": options.id, **calibration({f: score_fold(corpus, f, options.work / f"fold{f}.pt") for f in options.folds})}
    (options.work / "calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 3, 4])
    parser.add_argument("--id", default="default-0.2")
    main(parser.parse_args())
