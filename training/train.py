"""Train one network on the stored windows; every epoch leaves a checkpoint, and a second call goes on from it."""

import argparse
import collections
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from guide import TAUGHT
from hearing import begun
from model import NETWORKS, build, parameters


HALF = torch.ops.mkldnn._is_mkldnn_bf16_supported()
"""Whether this CPU multiplies in bfloat16; where it has to pretend, that is many times slower."""

KIN = {"hifigan-v2": 0}
"""Vocoders of the same family as a fold: their copies go when the fold is left out, so that the fold stays unheard."""


@dataclass(frozen=True)
class Mix:
    """What a batch is made of: pairs of a human and its copy, humans, machines of the corpus."""

    pairs: int
    humans: int
    machines: int

    @staticmethod
    def of(batch: int, share: float) -> "Mix":
        """Half of each class; `share` of the machines are copies, each beside its own human."""
        pairs = round(batch / 2 * share)
        return Mix(pairs, batch // 2 - pairs, batch // 2 - pairs)


GUIDE_STEP = 640
"""Samples in a frame of the guide: windows are turned by whole frames, so that frames and sound stay together."""


class Views:
    """The stored windows by class and group, small groups drawn more often than their size asks."""

    def __init__(self, work: Path, leave_out: set[int], without: set[str], line: float = 0):
        self.line = line
        rows = json.loads((work / "views.json").read_text())
        self.audio = np.load(work / "views.npy", mmap_mode="r")
        self.calls = np.load(work / "calls.npy", mmap_mode="r") if line else None
        without = without | {kind for kind, fold in KIN.items() if fold in leave_out}
        kept = [i for i, r in enumerate(rows) if r["fold"] not in leave_out and r["kind"] not in without]
        self.pair_of = {i: rows[i]["pair"] for i in kept if rows[i]["kind"]}
        self.humans = self.grouped([i for i in kept if not rows[i]["spoof"]], rows, 0.6)
        self.machines = self.grouped([i for i in kept if rows[i]["spoof"] and not rows[i]["kind"]], rows, 0.3)
        self.copies = self.grouped(list(self.pair_of), rows, 0.0)
        self.guide = None

    def follow_guide(self, file: Path) -> None:
        """Take the guide's frames too, each of its numbers with mean 0 and deviation 1 over a sample of windows."""
        self.guide = np.load(file, mmap_mode="r")
        some = np.asarray(self.guide[:: max(1, len(self.guide) // 500)], np.float32)
        self.middle, self.spread = some.mean((0, 1)), some.std((0, 1)) + 1e-3
        self.summaries = np.asarray(np.load(file.with_name("guide_pooled.npy"), mmap_mode="r")[:, TAUGHT], np.float32)
        self.summaries = (self.summaries - self.summaries.mean(0)) / (self.summaries.std(0) + 1e-3)

    def guided(self, rows: list[int], shift: np.ndarray) -> torch.Tensor:
        """[B, 200, 100] of the guide's frames, turned as the windows are."""
        frames = (np.asarray(self.guide[rows], np.float32) - self.middle) / self.spread
        turned = [np.roll(f, s // GUIDE_STEP, axis=0) for f, s in zip(frames, shift, strict=True)]
        return torch.from_numpy(np.stack(turned)).transpose(1, 2)

    def summary(self, rows: list[int]) -> torch.Tensor:
        """[B, 400] of the guide's mean and deviation over the windows, which turning does not change."""
        return torch.from_numpy(self.summaries[rows])

    @staticmethod
    def grouped(indices: list[int], rows: list[dict], exponent: float) -> tuple[list[list[int]], np.ndarray]:
        """Rows by group, and the odds of a group: its size to the power `exponent` (0 is equal odds)."""
        table = collections.defaultdict(list)
        for i in indices:
            table[rows[i]["group"]].append(i)
        members = [table[name] for name in sorted(table)]
        weight = np.array([len(m) for m in members], float) ** exponent
        return members, weight / weight.sum() if members else weight

    @staticmethod
    def draw(groups: tuple[list[list[int]], np.ndarray], count: int, rng: np.random.Generator) -> list[int]:
        """Rows of random groups."""
        members, odds = groups
        return [members[g][rng.integers(len(members[g]))] for g in rng.choice(len(members), count, p=odds)] if count else []

    def batch(self, mix: Mix, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, list[int], np.ndarray]:
        """Samples [B, 64000], classes [B], rows, turns: first the copies, then their humans in the same order, then the others."""
        copied = self.draw(self.copies, mix.pairs, rng)
        rows = [*copied, *(self.pair_of[i] for i in copied), *self.draw(self.humans, mix.humans, rng),
                *self.draw(self.machines, mix.machines, rng)]
        spoof = [1.0] * mix.pairs + [0.0] * (mix.pairs + mix.humans) + [1.0] * mix.machines
        shift = rng.integers(0, 25, len(rows)) * GUIDE_STEP
        shift[mix.pairs : 2 * mix.pairs] = shift[: mix.pairs]
        by_line = rng.random(len(rows)) < self.line
        by_line[mix.pairs : 2 * mix.pairs] = by_line[: mix.pairs]
        stored = [(self.calls if called else self.audio)[i] for i, called in zip(rows, by_line, strict=True)]
        audio = np.stack([np.roll(a, s) for a, s in zip(stored, shift, strict=True)]).astype(np.float32) / 32768
        return torch.from_numpy(audio), torch.tensor(spoof), rows, shift


def paired(values: torch.Tensor, pairs: int) -> torch.Tensor:
    """Random numbers of a batch, those of a copy given to its human too."""
    values[pairs : 2 * pairs] = values[:pairs]
    return values


def blur(maps: list[torch.Tensor], pairs: int, generator: torch.Generator) -> list[torch.Tensor]:
    """A random tilt over the bins, and one band and one stretch of time set to the mean, half of the time each."""
    out = []
    for m in maps:
        if m.dim() != 4:
            out.append(m)
            continue
        batch, channels, frames, bins = m.shape
        knots = paired(torch.randn(batch, 1, 5, generator=generator), pairs)
        tilt = F.interpolate(knots, bins, mode="linear", align_corners=True)[:, :, None]
        strength = torch.zeros(1, channels, 1, 1)
        strength[:, 0] = 0.4
        m = m + tilt * strength
        mean = m.mean(dim=(2, 3), keepdim=True)
        for axis, size in ((2, frames), (3, bins)):
            width = torch.rand(batch, generator=generator) * 0.25 * size * (torch.rand(batch, generator=generator) < 0.5)
            start = torch.rand(batch, generator=generator) * 0.75 * size
            start, width = paired(start, pairs)[:, None], paired(width, pairs)[:, None]
            place = torch.arange(size)[None]
            hidden = (place >= start) & (place < start + width)
            m = torch.where(hidden[:, None, :, None] if axis == 2 else hidden[:, None, None, :], mean, m)
        out.append(m)
    return out


def loss_of(
    logit: torch.Tensor, spoof: torch.Tensor, pairs: int, contrast: float, soft: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy with softened classes, or mostly with a teacher's, and each copy asked to score above its own human."""
    target = spoof * 0.9 + 0.05
    if soft is not None:
        target = 0.3 * target + 0.7 * soft
    total = F.binary_cross_entropy_with_logits(logit, target)
    if pairs and contrast:
        total = total + contrast * F.softplus(1 - (logit[:pairs] - logit[pairs : 2 * pairs])).mean()
    return total


def rate_at(step: int, steps: int, top: float) -> float:
    """A short warm-up, then a half cosine."""
    return top * min(1, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * step / steps))


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    gone = {int(f) for f in options.leave_out.split(",") if f}
    views = Views(options.work, gone, set(options.without.split(",")) - {""}, options.line)
    teacher = np.load(options.teacher) if options.teacher else None
    if options.guide:
        views.follow_guide(options.work / "guide_frames.npy")
    hearing = options.network == "hearing"
    mix = Mix.of(options.batch, options.copies if views.pair_of else 0)
    model, average = (build(options.network).to(memory_format=torch.channels_last) for _ in range(2))
    if options.begin:
        model.load_state_dict(begun(options.begin), strict=False)
    average.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.02)
    per_epoch = options.size // options.batch
    file, first = options.checkpoint, 0
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        saved = torch.load(file, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        first = saved["epoch"]
    print(f"{options.network} {parameters(model)} parameters, {mix}, epochs {first}..{options.epochs}", flush=True)
    for epoch in range(first, options.epochs):
        torch.manual_seed(options.seed * 1000 + epoch)
        generator = torch.Generator().manual_seed(options.seed * 1000 + epoch)
        rng = np.random.default_rng((options.seed, epoch))
        started, losses = time.time(), []
        model.train()
        for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
            for group in optimiser.param_groups:
                group["lr"] = rate_at(step, options.epochs * per_epoch, options.rate)
            audio, spoof, rows, shift = views.batch(mix, rng)
            soft = torch.sigmoid(torch.from_numpy(teacher[rows])) if teacher is not None else None
            with torch.no_grad():
                maps = model.front(audio)
                if not hearing:
                    maps = blur(maps, mix.pairs, generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
                if hearing:
                    logit, frames = None, model.frames(maps)
                else:
                    logit, frames = model.both(maps) if options.guide else (model.classify(maps), None)
            loss = torch.zeros(()) if logit is None else loss_of(logit.float(), spoof, mix.pairs, options.contrast, soft)
            if frames is not None:
                loss = loss + options.guide * F.smooth_l1_loss(frames.float(), views.guided(rows, shift))
            if hearing:
                loss = loss + options.guide * F.smooth_l1_loss(model.heard(frames.float()), views.summary(rows))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            follow(average, model, min(0.995, (1 + step) / (10 + step)))
            losses.append(float(loss.detach()))
        state = dict(network=options.network, model=model.state_dict(), average=average.state_dict(),
                     optimiser=optimiser.state_dict(), epoch=epoch + 1)
        partial = file.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(file)
        print(f"epoch {epoch + 1} loss {np.mean(losses):.4f} {time.time() - started:.0f} s", flush=True)


@torch.no_grad()
def follow(average: torch.nn.Module, model: torch.nn.Module, keep: float) -> None:
    """Move the averaged weights towards the current ones."""
    for slow, fast in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.mul_(keep).add_(fast, alpha=1 - keep)
        else:
            slow.copy_(fast)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--network", choices=[*sorted(NETWORKS), "hearing"], default="logspec")
    parser.add_argument("--leave-out", default="", help="folds of dev not to train on, such as 1,2")
    parser.add_argument("--without", default="", help="vocoders whose copies are not trained on, such as flow,codec")
    parser.add_argument("--copies", type=float, default=0.4, help="share of the machine windows that are copies of humans")
    parser.add_argument("--contrast", type=float, default=0.3, help="weight of a copy's margin over its own human")
    parser.add_argument("--teacher", type=Path, help="logits of an ensemble on the stored windows, by ensemble.py")
    parser.add_argument("--guide", type=float, default=0, help="weight of hearing as the guide does, for the networks `guided` and `hearing`")
    parser.add_argument("--line", type=float, default=0,
                        help="share of windows heard through a call whose teachers heard them without: the network is to hear past it")
    parser.add_argument("--begin", type=Path, help="a checkpoint or kept weights to begin from, where names agree")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--size", type=int, default=1024, help="windows an epoch")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    run(parser.parse_args())
