"""Keep trained vocoders: 8-bit weights and weights.json, which says what each is and what it learned from."""

import argparse
import collections
import hashlib
import json
from pathlib import Path

import torch

from clips import Corpus
from vocoders.kinds import KINDS
from vocoders.train import voices

WEIGHTS = Path(__file__).parent / "weights"


def pack(tensor: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
    """Large matrices as 8-bit numbers and a scale for each row; the rest in half precision."""
    if tensor.dim() < 2 or tensor.numel() < 1000:
        return tensor.half() if tensor.is_floating_point() else tensor
    rows = tensor.flatten(1).float()
    scale = (rows.abs().amax(1, keepdim=True) / 127).clamp(min=1e-8)
    return [torch.round(rows / scale).to(torch.int8).reshape(tensor.shape), scale[:, 0]]


def unpack(kept: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    """What `pack` was given, nearly."""
    if isinstance(kept, torch.Tensor):
        return kept.float() if kept.is_floating_point() else kept
    values, scale = kept
    return values.float() * scale.reshape(-1, *[1] * (values.dim() - 1))


def keep(work: Path, kind: str) -> dict:
    """Write `weights/<kind>.pt` and return its line for weights.json."""
    saved = torch.load(work / "vocoders" / f"{kind}.pt", weights_only=True)
    file = WEIGHTS / f"{kind}.pt"
    torch.save({k: pack(v) for k, v in saved["model"].items()}, file)
    content = file.read_bytes()
    count = sum(p.numel() for p in KINDS[kind]().parameters())
    return dict(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), parameters=count, steps=saved["step"])


def load(kind: str) -> torch.nn.Module:
    """A kept vocoder in evaluation mode, refused if its hash is not the recorded one."""
    file = WEIGHTS / f"{kind}.pt"
    wanted = json.loads((WEIGHTS / "weights.json").read_text())["vocoders"][kind]["sha256"]
    if hashlib.sha256(file.read_bytes()).hexdigest() != wanted:
        raise ValueError(f"{file} is not the file that weights.json records")
    model = KINDS[kind]()
    model.load_state_dict({k: unpack(v) for k, v in torch.load(file, weights_only=True).items()})
    return model.eval()


def main(work: Path) -> None:
    WEIGHTS.mkdir(exist_ok=True)
    clips = collections.Counter((c.corpus, c.licence) for c in voices(Corpus(work)))
    record = {
        "licence": "Apache-2.0",
        "trained_on": [dict(corpus=c, licence=l, clips=n) for (c, l), n in sorted(clips.items())],
        "vocoders": {kind: keep(work, kind) for kind in KINDS if (work / "vocoders" / f"{kind}.pt").exists()},
    }
    (WEIGHTS / "weights.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    main(parser.parse_args().work)
