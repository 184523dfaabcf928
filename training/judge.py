"""Score the folds that networks were trained without: EER by fold and treatment, and of copies against their humans."""

import argparse
import collections
import json
from pathlib import Path

import numpy as np
import torch

from augment import tile
from clips import Clip, Corpus
from model import build
from rates import eer
from scoring import HOP, WINDOW
from telephony import telephone
from views import Copies

TREATMENTS = {"clean": lambda x: x, "mu-law": telephone}
COPIES_A_KIND = 40


def load_average(checkpoint: Path) -> torch.nn.Module:
    """The running average of a checkpoint, in evaluation mode."""
    saved = torch.load(checkpoint, weights_only=True)
    model = build(saved["network"])
    model.load_state_dict(saved["average"])
    return model.eval()


def windows(samples: np.ndarray) -> np.ndarray:
    """[n, 64000]: whole windows every second, and from the next on what is left, repeated.

    Networks are compared and calibrated by these. The server judges the first 2 and 3 s too, which `scoring.py` does, but in a call
    nearly all of its windows are whole.
    """
    starts = list(range(0, max(0, len(samples) - WINDOW) + 1, HOP))
    if len(samples) > WINDOW and starts[-1] + WINDOW < len(samples):
        starts.append(starts[-1] + HOP)
    return np.stack([tile(samples[s : s + WINDOW]) for s in starts]).astype(np.float32)


@torch.no_grad()
def scores(models: list[torch.nn.Module], clips: list[np.ndarray]) -> np.ndarray:
    """The mean logit of each clip's windows, averaged over the models."""
    cut = [windows(c) for c in clips]
    owner = np.repeat(np.arange(len(cut)), [len(c) for c in cut])
    audio = torch.from_numpy(np.concatenate(cut))
    logits = np.mean([torch.cat([m(audio[i : i + 16]) for i in range(0, len(audio), 16)]).numpy() for m in models], axis=0)
    return np.bincount(owner, logits) / np.bincount(owner)


def by_family(rows: list[tuple[Clip, float]]) -> dict[str, np.ndarray]:
    """Scores of machine clips by family."""
    table = collections.defaultdict(list)
    for clip, score in rows:
        if clip.spoof:
            table[clip.family].append(score)
    return {name: np.array(table[name]) for name in sorted(table)}


def judge_fold(corpus: Corpus, copies: Copies, models: list[torch.nn.Module], fold: int) -> dict:
    """EER of one fold, each family's, and each vocoder's against the humans of the fold."""
    clips = [c for c in corpus.dev() if c.fold == fold]
    result = {}
    for name, treat in TREATMENTS.items():
        found = scores(models, [treat(corpus.samples(c)) for c in clips])
        human = np.array([s for c, s in zip(clips, found, strict=True) if not c.spoof])
        families = by_family(list(zip(clips, found, strict=True)))
        result[name] = {
            "eer": round(eer(human, np.concatenate(list(families.values()))), 4),
            "families": {k: dict(clips=len(v), eer=round(eer(human, v), 4)) for k, v in families.items()},
        }
        if name == "clean":
            result["copies"] = copies_of(copies, models, clips, human)
    return result


def copies_of(copies: Copies, models: list[torch.nn.Module], clips: list[Clip], human: np.ndarray) -> dict[str, float]:
    """EER of each vocoder's copies of the fold's humans."""
    out = {}
    for kind in sorted(copies.audio):
        sources = [c.file for c in clips if not c.spoof and kind in copies.kinds(c.file)]
        picked = [sources[i] for i in np.random.default_rng(0).permutation(len(sources))[:COPIES_A_KIND]]
        out[kind] = round(eer(human, scores(models, [copies.samples(f, kind) for f in picked])), 4)
    return out


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    corpus, copies = Corpus(options.work), Copies(options.work)
    folds = {}
    for fold in options.folds:
        models = [load_average(options.work / pattern.format(fold=fold)) for pattern in options.checkpoints]
        folds[fold] = judge_fold(corpus, copies, models, fold)
        print(fold, {k: v["eer"] for k, v in folds[fold].items() if k in TREATMENTS}, folds[fold]["copies"], flush=True)
    summary = {name: [round(float(f([v[name]["eer"] for v in folds.values()])), 4) for f in (np.mean, np.std)] for name in TREATMENTS}
    print("mean, spread", summary)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"checkpoints": options.checkpoints, "summary": summary, "folds": folds}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("checkpoints", nargs="+", help="paths below work with {fold} in them; several are averaged")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    main(parser.parse_args())
