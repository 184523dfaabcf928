"""A network that learns to hear as the guide does, and to tell machines from what it hears."""

import torch
from torch import nn

from networks.parts import Pool, Step, head
from networks.spectra import LogPower, level_normalised

FRAMES, GUIDE = 100, 200
"""Frames of 40 ms in a window, and the numbers that the guide has for each."""


class Residual(nn.Module):
    """A convolution over time, dilated, added to what came in."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.norm(self.conv(x)))


def summary(frames: torch.Tensor) -> torch.Tensor:
    """[B, 400]: mean and deviation over time of frames [B, 200, n]."""
    mean = frames.mean(dim=2)
    centred = frames - mean.unsqueeze(2)
    return torch.cat([mean, torch.sqrt((centred * centred).mean(dim=2) + 1e-5)], dim=1)


class Frames(nn.Module):
    """Log power, 320 points every 160, six convolutions over both axes, four over time: frames as the guide's."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.power = LogPower(320, 160)
        self.scale = nn.BatchNorm2d(1)
        self.steps = nn.Sequential(
            Step(1, 16, 5, (2, 2)), Step(16, 24, 3, (1, 2)), Step(24, 32, 3, (2, 2)), Step(32, 32),
            Step(32, 48, 3, (1, 2)), Step(48, 64, 3, (1, 2)),
        )
        self.bands = nn.Sequential(nn.Conv1d(64 * 5, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        self.time = nn.Sequential(*(Residual(width, d) for d in (1, 2, 4)))
        self.guide = nn.Conv1d(width, GUIDE, 1)

    def front(self, audio: torch.Tensor) -> list[torch.Tensor]:
        return [self.power(nn.functional.pad(level_normalised(audio), (80, 240)))]

    def frames(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """[B, 200, 100] that should be the guide's."""
        x = self.steps(self.scale(maps[0]))
        return self.guide(self.time(self.bands(x.permute(0, 1, 3, 2).flatten(1, 2))))


class Hearing(Frames):
    """The same, and a summary: what it hears of a window, 400 numbers, should be the guide's mean and deviation over time.

    It is never told who is a machine.
    """

    def __init__(self, width: int = 128) -> None:
        super().__init__(width)
        self.amended = nn.Linear(2 * GUIDE, 2 * GUIDE)

    def heard(self, frames: torch.Tensor) -> torch.Tensor:
        """[B, 400] that should be the guide's summary of the window."""
        return self.amended(summary(frames))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.heard(self.frames(self.front(audio)))


class Guided(Frames):
    """The same, and a logit from attentive statistics of the frames."""

    def __init__(self, width: int = 128) -> None:
        super().__init__(width)
        self.pool, self.head = Pool(GUIDE, each=True), head(2 * GUIDE)

    def both(self, maps: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [B], and frames [B, 200, 100]."""
        frames = self.frames(maps)
        return self.head(self.pool(frames)).squeeze(1), frames

    def classify(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return self.both(maps)[0]

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.classify(self.front(audio))
