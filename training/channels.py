"""What a running channel would have said: states after 5, 10 and 30 s of one voice, at given thresholds.

A channel is one system's clips, or one corpus's humans, one after another with short silences. Each fold of dev is
scored by networks that did not hear it; the test split and humans in studios, where asked for, by the pack.
"""

import argparse
import collections
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from clips import Clip, Corpus
from conditions import CONDITIONS
from judge import load_average
from scoring import RATE, Heard, Scorer, Thresholds, cuts, filled

SECONDS = (5, 10, 30)
STUDIO_SECONDS, STUDIO_CHANNELS = 60, 18
"""Humans in studios lean to machine most: how far that goes in a long call."""


@dataclass(frozen=True)
class Channel:
    """One voice for some seconds: its group, whether a machine, and the split or fold it was made from."""

    group: str
    spoof: bool
    source: str
    audio: np.ndarray


def strings(clips: list[Clip], corpus: Corpus, seconds: float, rng: np.random.Generator, limit: int) -> list[np.ndarray]:
    """Up to `limit` stretches of `seconds`, clips of one group in random order, pauses of 0.1 to 0.5 s between."""
    out, parts, length, need = [], [], 0, int(seconds * RATE)
    for _ in range(3):
        for i in rng.permutation(len(clips)):
            pause = np.zeros(int(rng.uniform(0.1, 0.5) * RATE), np.float32)
            parts += [corpus.samples(clips[i]), pause]
            length += clips[i].length + len(pause)
            if length >= need:
                out.append(np.concatenate(parts)[:need])
                parts, length = [], 0
                if len(out) == limit:
                    return out
    return out


def channels(corpus: Corpus, clips: list[Clip], source: str, seconds: float, wanted: int) -> list[Channel]:
    """At least `wanted` channels of each class where the clips suffice, groups equally often while the small ones last.

    A clip may come back in another order.
    """
    rng, out = np.random.default_rng((17, int(seconds))), []
    for spoof in (False, True):
        groups = collections.defaultdict(list)
        for clip in clips:
            if clip.spoof == spoof:
                groups[clip.system if spoof else clip.corpus].append(clip)
        made, each = [], -(-wanted // max(1, len(groups)))
        while len(made) < wanted and each <= 2 * wanted:
            made = [Channel(name, spoof, source, a) for name in sorted(groups)
                    for a in strings(groups[name], corpus, seconds, rng, each)]
            each *= 2
        out += made
    return out


def table(scored: list[tuple[Channel, Heard]], at: Thresholds) -> dict:
    """Of the channels of each class: the share in each state at the end, and ever called suspect or spoof."""
    out = {}
    for label, spoof in (("human", False), ("machine", True)):
        runs = [heard.states(at) for channel, heard in scored if channel.spoof == spoof]
        if not runs:
            continue
        last, total = collections.Counter(r[-1] for r in runs), len(runs)
        out[label] = {
            "channels": total,
            **{s: round(last[s] / total, 4) for s in ("bonafide", "undecided", "suspect", "spoof")},
            "ever_suspect": round(sum("suspect" in r or "spoof" in r for r in runs) / total, 4),
            "ever_spoof": round(sum("spoof" in r for r in runs) / total, 4),
        }
    return out


def scorers(options: argparse.Namespace, calibration: dict):
    """(name, clips, what hears audio) of each source: the folds by their own networks, then the test by the pack."""
    corpus = Corpus(options.work)
    for fold in options.folds:
        models = [load_average(options.work / pattern.format(fold=fold)) for pattern in options.checkpoints]

        @torch.no_grad()
        def hear(audio: np.ndarray, models=models) -> Heard:
            stretches = cuts(len(audio))
            logits = np.mean([m(torch.from_numpy(filled(audio, stretches))).numpy() for m in models], axis=0)
            return Heard(stretches, calibration["a"] * logits + calibration["b"], np.full(len(stretches), True))

        yield f"fold {fold}", [c for c in corpus.dev() if c.fold == fold], hear
    if options.pack:
        yield "test", corpus.test(), Scorer.of(options.pack).hear


def main(options: argparse.Namespace) -> None:
    manifest = json.loads((options.pack / "model.json").read_text()) if options.pack else {"detection": {"thresholds": {}}}
    corpus, at = Corpus(options.work), Thresholds(**{**manifest["detection"]["thresholds"], **json.loads(options.thresholds)})
    calibration = json.loads((options.work / "calibration.json").read_text())
    sources = len(options.folds) + bool(options.pack)
    result = {"thresholds": asdict(at), "tables": {}}
    scored = collections.defaultdict(list)
    for name, clips, hear in scorers(options, calibration):
        for seconds in SECONDS:
            made = channels(corpus, clips, name, seconds, -(-options.each // sources))
            for condition, treat in CONDITIONS.items():
                scored[f"{seconds} s, {condition}"] += [(c, hear(treat(c.audio))) for c in made]
    if options.pack:
        hear = Scorer.of(options.pack).hear
        for channel in channels(corpus, corpus.check(), "studio", STUDIO_SECONDS, STUDIO_CHANNELS):
            for condition, treat in CONDITIONS.items():
                scored[f"studio voices, {STUDIO_SECONDS} s, {condition}"].append((channel, hear(treat(channel.audio))))
    for name, rows in scored.items():
        result["tables"][name] = table(rows, at)
        print(name, json.dumps(result["tables"][name]), flush=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("checkpoints", nargs="*", help="paths below work with {fold} in them; several are averaged")
    parser.add_argument("--folds", type=int, nargs="*", default=[0, 1, 3, 4])
    parser.add_argument("--pack", type=Path, help="scores the test split with this pack too: once, at the end")
    parser.add_argument("--each", type=int, default=64, help="channels of each class")
    parser.add_argument("--thresholds", default="{}", help='JSON such as {"suspect": 0.75}, in place of the pack\'s')
    main(parser.parse_args())
