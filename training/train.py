"""Train the network; every epoch leaves a checkpoint, and a second call goes on where the first stopped."""

import argparse
import collections
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from augment import cut_window, degrade
from clips import Clip, Corpus
from model import Detector, parameters


class Windows(Dataset):
    """`size` degraded windows an epoch, half of each class, families and corpora weighted, all drawn from the seed."""

    def __init__(self, corpus: Corpus, clips: list[Clip], size: int, seed: int):
        self.corpus, self.size, self.seed, self.epoch = corpus, size, seed, 0
        self.machine = self.groups([c for c in clips if c.spoof], lambda c: c.family, 0.15)
        self.human = self.groups([c for c in clips if not c.spoof], lambda c: c.corpus, 0.5)

    @staticmethod
    def groups(clips: list[Clip], key, exponent: float) -> tuple[list[list[Clip]], np.ndarray]:
        """Clips by group, and the odds of a group: its size to the power `exponent` (0 is equal odds)."""
        table = collections.defaultdict(list)
        for clip in clips:
            table[key(clip)].append(clip)
        members = [table[name] for name in sorted(table)]
        weight = np.array([len(m) for m in members], float) ** exponent
        return members, weight / weight.sum()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.float32]:
        rng = np.random.default_rng((self.seed, self.epoch, i))
        spoof = i % 2
        members, odds = self.machine if spoof else self.human
        group = members[rng.choice(len(members), p=odds)]
        clip = group[rng.integers(len(group))]
        partners = [c for c in group if c.system == clip.system and c.speaker == clip.speaker]
        partner = partners[rng.integers(len(partners))]
        window = cut_window(self.corpus.samples(clip), self.corpus.samples(partner), rng)
        return degrade(window, rng), np.float32(spoof)


def mask(spectrum: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One band and one stretch of each window set to the window's mean, half of the time."""
    batch, _, frames, bins = spectrum.shape
    mean = spectrum.mean(dim=(2, 3), keepdim=True)

    def stripe(size: int, longest: int) -> torch.Tensor:
        width = torch.rand(batch, generator=generator) * longest * (torch.rand(batch, generator=generator) < 0.5)
        start = torch.rand(batch, generator=generator) * (size - longest)
        place = torch.arange(size)[None]
        return (place >= start[:, None]) & (place < (start + width)[:, None])

    spectrum = torch.where(stripe(bins, 60)[:, None, None, :], mean, spectrum)
    return torch.where(stripe(frames, 60)[:, None, :, None], mean, spectrum)


def select(corpus: Corpus, leave_out: str) -> list[Clip]:
    """Development clips, less the folds named in `leave_out` ("1,2"; empty for none)."""
    gone = {int(f) for f in leave_out.split(",") if f}
    return [c for c in corpus.dev() if c.fold not in gone]


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    corpus = Corpus(options.work)
    data = Windows(corpus, select(corpus, options.leave_out), options.size, options.seed)
    loader = DataLoader(data, batch_size=options.batch, num_workers=options.workers)
    model, average = Detector(), Detector()
    average.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.02)
    steps = options.epochs * len(loader)
    file, first, step = options.checkpoint, 0, 0
    if file.exists():
        saved = torch.load(file, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        first, step = saved["epoch"], saved["epoch"] * len(loader)
    print(f"{parameters(model)} parameters, epochs {first}..{options.epochs}", flush=True)
    for epoch in range(first, options.epochs):
        data.epoch = epoch
        torch.manual_seed(options.seed * 1000 + epoch)
        generator = torch.Generator().manual_seed(options.seed * 1000 + epoch)
        started, losses = time.time(), []
        model.train()
        for audio, spoof in loader:
            rate = options.rate * min(1, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * step / steps))
            for group in optimiser.param_groups:
                group["lr"] = rate
            with torch.no_grad():
                spectrum = mask(model.spectrum(audio), generator)
            target = spoof * 0.9 + 0.05
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model.classify(spectrum), target)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            step += 1
            follow(average, model, min(0.995, (1 + step) / (10 + step)))
            losses.append(float(loss.detach()))
        state = dict(model=model.state_dict(), average=average.state_dict(), optimiser=optimiser.state_dict(), epoch=epoch + 1)
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
    parser.add_argument("--leave-out", default="", help="folds of dev not to train on, such as 1,2")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--size", type=int, default=1024, help="windows an epoch")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    run(parser.parse_args())
