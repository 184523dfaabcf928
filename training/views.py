"""Training windows, made once for all networks: `views.npy` (int16) and `views.json`.

A human window and the windows of its copies are cut alike and degraded alike, so a pair differs in the vocoder alone.
"""

import argparse
import collections
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augment import as_it_is, cleaned, cut_window, degrade, floored, line
from clips import Clip, Corpus
from model import WINDOW

COPIES_OF_ONE = 2
"""How many copies go with each human window."""

TREATMENTS = {
    "degraded": degrade,
    "plain": as_it_is,
    "line": lambda samples, rng: line(samples, rng, always=True),
    "cleaned": cleaned,
    "floored": floored,
}
SHARES = {"degraded": 0.34, "plain": 0.18, "line": 0.18, "cleaned": 0.15, "floored": 0.15}
"""Of the windows of each class. Both classes come in every degree of cleanliness, or cleanliness would tell them apart."""


@dataclass(frozen=True)
class View:
    """One stored window: of a clip, or (`kind`) of a clip's copy; `pair` is the row of the human window it matches.

    `treatment` is one of TREATMENTS: what happens to it on the way.
    """

    row: int
    file: str
    kind: str
    pair: int
    seed: int
    treatment: str = "degraded"

    def __post_init__(self) -> None:
        if bool(self.kind) != (self.pair >= 0):
            raise ValueError("a copy has a pair, and nothing else has")


class Copies:
    """All copies that were made: samples by kind and source file."""

    def __init__(self, work: Path):
        self.audio, self.place = {}, collections.defaultdict(dict)
        for file in sorted((work / "copies").glob("*.json")):
            self.audio[file.stem] = np.load(file.with_suffix(".npy"), mmap_mode="r")
            for row in json.loads(file.read_text()):
                self.place[row["source"]][file.stem] = (row["start"], row["length"])

    def kinds(self, source: str) -> list[str]:
        """The vocoders that copied this clip."""
        return sorted(self.place.get(source, {}))

    def samples(self, source: str, kind: str) -> np.ndarray:
        """One copy as float32 in [-1, 1)."""
        start, length = self.place[source][kind]
        return self.audio[kind][start : start + length].astype(np.float32) / 32768


def quota(clips: list[Clip], key, exponent: float, total: int) -> list[Clip]:
    """Clips, each as often as its group's share (size to the power `exponent`) of `total` asks."""
    groups = collections.defaultdict(list)
    for clip in clips:
        groups[key(clip)].append(clip)
    weight = {name: len(members) ** exponent for name, members in groups.items()}
    scale = total / sum(weight.values())
    out = []
    for name in sorted(groups):
        members, wanted = groups[name], max(1, round(scale * weight[name]))
        out += [members[i % len(members)] for i in range(wanted)]
    return out


def plan(corpus: Corpus, copies: Copies, each: int, seed: int) -> list[View]:
    """Every window to make, in order: `each` of either class, humans by corpus and machines by family, and copies beside humans."""
    known, rng, views = corpus.training(), np.random.default_rng(seed), []
    humans, machines = [c for c in known if not c.spoof], [c for c in known if c.spoof]
    for treatment, share in SHARES.items():
        for clips, key, exponent in ((humans, lambda c: c.corpus, 0.6), (machines, lambda c: c.family, 0.4)):
            shuffled = [clips[i] for i in rng.permutation(len(clips))]
            for clip in quota(shuffled, key, exponent, round(each * share)):
                row = len(views)
                views.append(View(row, clip.file, "", -1, row, treatment))
                for kind in rng.permutation(copies.kinds(clip.file))[:COPIES_OF_ONE]:
                    views.append(View(len(views), clip.file, str(kind), row, row, treatment))
    return views


def window(view: View, corpus: Corpus, copies: Copies, by_file: dict[str, Clip], voices: dict) -> np.ndarray:
    """The view's samples: the same draws for a human and its copies."""
    rng = np.random.default_rng((29, view.seed))
    clip = by_file[view.file]
    mates = voices[clip.system, clip.corpus, clip.speaker]
    partner = mates[rng.integers(len(mates))]
    if view.kind and view.kind not in copies.kinds(partner.file):
        partner = clip
    read = (lambda c: copies.samples(c.file, view.kind)) if view.kind else corpus.samples
    return TREATMENTS[view.treatment](cut_window(read(clip), read(partner), rng), rng)


def main(options: argparse.Namespace) -> None:
    corpus, copies = Corpus(options.work), Copies(options.work)
    by_file, voices = {c.file: c for c in corpus.training()}, collections.defaultdict(list)
    for clip in corpus.training():
        voices[clip.system, clip.corpus, clip.speaker].append(clip)
    views = plan(corpus, copies, options.each, options.seed)
    mine = views[options.part :: options.parts]
    file = options.work / "views.npy"
    shape = (len(views), WINDOW)
    if not file.exists():
        np.lib.format.open_memmap(file, "w+", np.int16, shape).flush()
    out, started = np.lib.format.open_memmap(file, "r+"), time.time()
    if out.shape != shape:
        raise ValueError(f"{file} was made for other copies: remove it")
    done = options.work / f"views.{options.part}of{options.parts}"
    first = int(done.read_text()) if done.exists() else 0
    for i, view in enumerate(mine[first:], start=first + 1):
        out[view.row] = np.round(np.clip(window(view, corpus, copies, by_file, voices), -1, 32767 / 32768) * 32768)
        if i % 500 == 0 or i == len(mine):
            out.flush()
            done.write_text(str(i))
            print(f"{i} of {len(mine)} windows, {time.time() - started:.0f} s", flush=True)
    clips = {f: dict(spoof=c.spoof, fold=c.fold, corpus=c.split == "dev", group=c.group) for f, c in by_file.items()}
    rows = [dict(clips[v.file], **({"spoof": True, "group": v.kind} if v.kind else {}), kind=v.kind, pair=v.pair, treatment=v.treatment) for v in views]
    (options.work / "views.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=8_000, help="windows of each class from the corpus")
    parser.add_argument("--part", type=int, default=0, help="which part of the windows this process makes")
    parser.add_argument("--parts", type=int, default=1)
    main(parser.parse_args())
