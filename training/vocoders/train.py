"""Train one vocoder; a stopped run goes on from its last checkpoint."""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch

from clips import Clip, Corpus
from vocoders.judges import Judges, against, deceive, distance
from vocoders.kinds import KINDS, MULTIPLE, STEPS
from vocoders.packing import load

PIECE = MULTIPLE
PERMISSIVE = ("Voice Dataset (kerstin)", "Picovoice coffee-order commands", "LibriSpeech train-clean-100",
              "Nabu Casa voice datasets", "LJSpeech")
"""CC0, Apache-2.0, CC BY 4.0, CC0, public domain."""


def voices(corpus: Corpus) -> list[Clip]:
    """Human clips of dev that a vocoder may learn from, long enough for a piece."""
    return [c for c in corpus.dev() if not c.spoof and c.corpus in PERMISSIVE and c.length >= PIECE]


def batch(corpus: Corpus, clips: list[Clip], size: int, rng: np.random.Generator) -> torch.Tensor:
    """Pieces of random clips at random levels."""
    pieces = []
    for clip in (clips[i] for i in rng.integers(0, len(clips), size)):
        start = rng.integers(0, clip.length - PIECE + 1)
        pieces.append(corpus.samples(clip)[start : start + PIECE] * 10 ** (rng.uniform(-6, 6) / 20))
    return torch.from_numpy(np.stack(pieces).astype(np.float32))


def schedule(optimiser: torch.optim.Optimizer, rate: float, share: float) -> None:
    """A short warm-up, then a half cosine down to a tenth."""
    scale = min(1, share * 50) * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))
    for group in optimiser.param_groups:
        group["lr"] = rate * scale


def generator_loss(model: torch.nn.Module, judges: Judges, real: torch.Tensor, adversarial: bool) -> tuple:
    """The loss of one batch and the copies it made; a flow has neither judges nor copies."""
    if hasattr(model, "loss"):
        return model.loss(real), None
    fake = model(real)
    total = 3 * distance(fake, real)
    if hasattr(model, "commitment"):
        total = total + model.commitment
    if adversarial:
        half = len(real) // 2
        judges.requires_grad_(False)
        total = total + 0.3 * deceive(judges, fake[:half], real[:half])
        judges.requires_grad_(True)
    return total, fake


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    corpus = Corpus(options.work)
    clips = voices(corpus)
    model, judges = KINDS[options.kind](), Judges()
    learners = [torch.optim.AdamW(m.parameters(), lr=1e-3, betas=(0.8, 0.99)) for m in (model, judges)]
    file, step, losses, started = options.work / "vocoders" / f"{options.kind}.pt", 0, [], time.time()
    file.parent.mkdir(exist_ok=True)
    if file.exists():
        saved = torch.load(file, weights_only=True)
        model.load_state_dict(saved["model"])
        judges.load_state_dict(saved["judges"])
        for learner, state in zip(learners, saved["learners"], strict=True):
            learner.load_state_dict(state)
        step = saved["step"]
    elif options.kept:
        model = load(options.kind)
        learners[0] = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.8, 0.99))
    steps, half = options.steps or STEPS[options.kind], options.batch // 2
    model.train()
    while step < steps:
        rng = np.random.default_rng((options.seed, step))
        torch.manual_seed(options.seed * 1_000_003 + step)
        real = batch(corpus, clips, options.batch, rng)
        for learner, rate in zip(learners, (options.rate, options.rate / 2), strict=True):
            schedule(learner, rate, (step + 1) / steps)
        with torch.autocast("cpu", torch.bfloat16):
            loss, fake = generator_loss(model, judges, real, step >= options.alone * steps)
        learners[0].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        learners[0].step()
        if fake is not None and step >= options.alone * steps - 200:
            with torch.autocast("cpu", torch.bfloat16):
                judged = against(judges, fake.detach()[-half:], real[-half:])
            learners[1].zero_grad()
            judged.backward()
            torch.nn.utils.clip_grad_norm_(judges.parameters(), 5.0)
            learners[1].step()
        losses.append(float(distance(fake.detach(), real)) if fake is not None else float(loss.detach()))
        step += 1
        if step % 250 == 0 or step == steps:
            save(file, model, judges, learners, step)
            print(f"{options.kind} step {step} distance {np.mean(losses):.4f} {time.time() - started:.0f} s", flush=True)
            losses = []


def save(file: Path, model: torch.nn.Module, judges: Judges, learners: list, step: int) -> None:
    """Everything needed to go on."""
    partial = file.with_suffix(".partial")
    learned = [learner.state_dict() for learner in learners]
    torch.save(dict(model=model.state_dict(), judges=judges.state_dict(), learners=learned, step=step), partial)
    partial.replace(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--kept", action="store_true", help="begin with the kept weights instead of random ones")
    parser.add_argument("--steps", type=int, default=0, help="0 takes the kind's own number")
    parser.add_argument("--alone", type=float, default=0.4, help="share of the steps before the judges take part")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    run(parser.parse_args())
