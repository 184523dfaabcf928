"""Kept weights: 8-bit numbers on disk, and the way back."""

import hashlib
import json
from pathlib import Path

import torch

from vocoders.kinds import KINDS

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


def load(kind: str) -> torch.nn.Module:
    """A kept vocoder in evaluation mode, refused if its hash is not the recorded one."""
    file = WEIGHTS / f"{kind}.pt"
    wanted = json.loads((WEIGHTS / "weights.json").read_text())["vocoders"][kind]["sha256"]
    if hashlib.sha256(file.read_bytes()).hexdigest() != wanted:
        raise ValueError(f"{file} is not the file that weights.json records")
    model = KINDS[kind]()
    model.load_state_dict({k: unpack(v) for k, v in torch.load(file, weights_only=True).items()})
    return model.eval()
