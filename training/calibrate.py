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
from judge import load_average, windows
from scoring import HOP, WINDOW, bounded
from telephony import telephone

CHANNEL_CLIPS = 5
STUDIO_EVERY = 4
"""Which of the clips of humans in studios are scored."""
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
def score(corpus: Corpus, clips: list[Clip], checkpoint: Path) -> list[Scored]:
    """Clips as they are, through mu-law, through Opus at 12 and 24 kbit/s, and degraded as in training."""
    model, out = load_average(checkpoint), []
    for i, clip in enumerate(clips):
        samples = corpus.samples(clip)
        treated = {"clean": samples, "mu-law": telephone(samples), "degraded": degrade(samples, np.random.default_rng((7, abs(clip.fold), i)))}
        if opus.available:
            treated |= {f"Opus {bits // 1000}": opus.round_trip(samples, bits) for bits in (12_000, 24_000)}
        for name, audio in treated.items():
            out.append(Scored(clip, name, model(torch.from_numpy(windows(audio))).numpy().astype(float)))
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


def leanings(scored: list[Scored]) -> dict[str, float]:
    """The median logit of each voice's windows, as they are and through the lines together: a studio that is degraded is none."""
    voices = collections.defaultdict(list)
    for s in scored:
        if s.treatment != "degraded":
            voices[s.clip.corpus].extend(s.logits)
    return {name: float(np.median(voices[name])) for name in sorted(voices)}


def calibration(folds: dict[int, list[Scored]], studio: list[Scored]) -> dict:
    """a, b and how they came about.

    The shipped network's middle lies midway between the highest of the folds' middles and what it says itself of the humans in studios
    (`studio`) who lean most to machine, if that is higher: it should rather miss a machine than accuse a person. At the former, voices of
    studios are called `spoof` in long calls through Opus; at the latter, few machines are found at all.
    """
    slope, middles, cost = fit_line(folds)
    centred = [replace(s, logits=s.logits - middles[fold]) for fold in sorted(folds) for s in folds[fold]]
    factor, channels = fit_factor(centred, slope)
    voices, known = leanings(studio), max(middles.values())
    middle = max(known, (known + max(voices.values())) / 2)
    count = sum(len(s.logits) for s in centred)
    return {
        "a": round(slope * factor, 4),
        "b": round(-slope * factor * middle, 4),
        "data": f"{count} windows of the development folds {', '.join(map(str, sorted(folds)))}, each scored by a network "
        "trained without that fold; clean, through 8 kHz mu-law, through Opus at 12 and 24 kbit/s, and degraded as in training",
        "line": {"slope": round(slope, 4), "middles": {f: round(m, 3) for f, m in middles.items()}, "cost_bits": round(cost, 3)},
        "studio": {name: round(m, 3) for name, m in voices.items()},
        "factor": round(factor, 4),
        "channels": channels,
    }


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    corpus = Corpus(options.work)
    folds = {f: score(corpus, [c for c in corpus.dev() if c.fold == f][::2], options.work / f"fold{f}.pt") for f in options.folds}
    studio = score(corpus, corpus.check()[::STUDIO_EVERY], options.work / options.main)
    result = {"id": options.id, **calibration(folds, studio)}
    (options.work / "calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("main", help="checkpoint of the network that ships, below work")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 3, 4])
    parser.add_argument("--id", default="default-0.3")
    main(parser.parse_args())
