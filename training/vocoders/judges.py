"""What the generators are trained against: distances of spectra, and two kinds of discriminators."""

import torch
from torch import nn
from torch.nn import functional as F

from vocoders.signal import filters_for, magnitude

RESOLUTIONS = ((1024, 256), (512, 128), (256, 64), (128, 32))


def distance(fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Spectra at several resolutions, as magnitudes and as logarithms, and mel spectra."""
    total = torch.zeros(())
    for size, hop in RESOLUTIONS:
        a, b = magnitude(fake, size, hop), magnitude(real, size, hop)
        total = total + torch.linalg.norm(a - b) / torch.linalg.norm(b) + F.l1_loss(torch.log(a + 1e-4), torch.log(b + 1e-4))
    for size, hop in RESOLUTIONS[:2]:
        a, b = (torch.log(filters_for(size, 80) @ magnitude(x, size, hop) + 1e-4) for x in (fake, real))
        total = total + 2 * F.l1_loss(a, b)
    return total / (len(RESOLUTIONS) + 2)


class Periods(nn.Module):
    """The waveform folded at one period, judged by convolutions along the folds."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        widths = (1, 12, 24, 48, 48)
        self.steps = nn.ModuleList(
            nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = nn.Conv2d(48, 1, (3, 1), padding=(1, 0))

    def forward(self, audio: torch.Tensor) -> list[torch.Tensor]:
        x = F.pad(audio, (0, -audio.shape[1] % self.period))
        x = x.reshape(len(x), 1, -1, self.period)
        return judge(x, self.steps, self.last)


class Spectra(nn.Module):
    """Log magnitudes at one resolution, judged by convolutions."""

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        widths = (1, 12, 16, 16)
        self.steps = nn.ModuleList(
            nn.Conv2d(a, b, (5, 3), (2, 1), (2, 1)) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, audio: torch.Tensor) -> list[torch.Tensor]:
        x = torch.log(magnitude(audio, self.size, self.hop) + 1e-4)[:, None] * 0.3 + 1
        return judge(x, self.steps, self.last)


def judge(x: torch.Tensor, steps: nn.ModuleList, last: nn.Module) -> list[torch.Tensor]:
    """The maps on the way, the verdict last."""
    maps = []
    for step in steps:
        x = F.leaky_relu(step(x), 0.1)
        maps.append(x)
    return [*maps, last(x)]


class Judges(nn.Module):
    """All discriminators."""

    def __init__(self) -> None:
        super().__init__()
        self.all = nn.ModuleList([*(Periods(p) for p in (2, 3, 5, 7)), *(Spectra(*r) for r in RESOLUTIONS[:3])])

    def forward(self, audio: torch.Tensor) -> list[list[torch.Tensor]]:
        return [j(audio) for j in self.all]


def against(judges: Judges, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """What the judges learn from."""
    pairs = zip(judges(fake), judges(real), strict=True)
    return sum((f[-1].float() ** 2).mean() + ((1 - r[-1].float()) ** 2).mean() for f, r in pairs)


def deceive(judges: Judges, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """What the generator learns from them: verdicts, and maps like those of real speech."""
    with torch.no_grad():
        wanted = judges(real)
    total = torch.zeros(())
    for f, r in zip(judges(fake), wanted, strict=True):
        total = total + ((1 - f[-1].float()) ** 2).mean()
        total = total + 2 * sum(F.l1_loss(a.float(), b.float()) for a, b in zip(f[:-1], r[:-1], strict=True)) / len(r)
    return total
