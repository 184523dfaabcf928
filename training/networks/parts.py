"""Blocks that the networks share."""

import torch
from torch import nn


class Step(nn.Module):
    """Convolution, batch norm, ReLU; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = inputs == outputs and stride == (1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv(x))
        return torch.relu(y + x if self.shortcut else y)


class Body(nn.Module):
    """Maps [B, C, frames, bins] to [B, width, frames'] by steps over both axes and one projection of the bands."""

    def __init__(self, steps: list[Step], channels: int, bands: int, width: int) -> None:
        super().__init__()
        self.scale = nn.BatchNorm2d(steps[0].conv.in_channels)
        self.steps = nn.Sequential(*steps)
        self.bands = nn.Sequential(nn.Conv1d(channels * bands, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU())

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        x = self.steps(self.scale(maps))
        return self.bands(x.permute(0, 1, 3, 2).flatten(1, 2))


class Pool(nn.Module):
    """Mean and deviation over time, with attention: one weight a frame, or one for each of the channels."""

    def __init__(self, width: int, each: bool = False) -> None:
        super().__init__()
        self.attention = nn.Conv1d(width, 1, 1)
        if each:
            self.attention = nn.Sequential(nn.Conv1d(width, 32, 1), nn.Tanh(), nn.Conv1d(32, width, 1))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        weight = torch.softmax(self.attention(frames), dim=2)
        mean = (frames * weight).sum(dim=2)
        centred = frames - mean.unsqueeze(2)
        deviation = torch.sqrt((centred * centred * weight).sum(dim=2) + 1e-5)
        return torch.cat([mean, deviation], dim=1)


def head(inputs: int, dropout: float = 0.3) -> nn.Sequential:
    """Two dense layers to one logit."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 1))
