"""Linear-frequency cepstra, a residual network over time with several receptive fields, attentive statistics."""

import math

import torch
from torch import nn

from networks.parts import Pool, head
from networks.spectra import LogPower, level_normalised

BANDS, COEFFICIENTS = 80, 60


def triangles(bins: int) -> torch.Tensor:
    """[bins, BANDS] overlapping triangles, equally spaced from bin 1 to the last, each of area 1."""
    edges = torch.linspace(0, bins + 1, BANDS + 2)
    k = torch.arange(1, bins + 1).float()[:, None]
    shape = torch.minimum((k - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - k) / (edges[2:] - edges[1:-1])).clamp(min=0)
    return shape / shape.sum(0, keepdim=True)


class Fields(nn.Module):
    """A bottleneck in four parts, each fed with the one before it, and a gate over the channels."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        part = width // 4
        self.mix = nn.Sequential(nn.Conv1d(width, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Conv1d(part, part, 3, dilation=dilation, padding=dilation, bias=False), nn.BatchNorm1d(part), nn.ReLU())
            for _ in range(3)
        )
        self.out = nn.Sequential(nn.Conv1d(width, width, 1, bias=False), nn.BatchNorm1d(width))
        self.gate = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, width), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, *rest = self.mix(x).chunk(4, dim=1)
        done = [first]
        for step, part in zip(self.parts, rest, strict=True):
            done.append(step(part + done[-1] if len(done) > 1 else part))
        y = self.out(torch.cat(done, dim=1))
        return torch.relu(x + y * self.gate(y.mean(dim=2)).unsqueeze(2))


class Cepstra(nn.Module):
    """60 cepstra every 8 ms, three blocks, statistics with an attention for each channel."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.power = LogPower(512, 128)
        self.register_buffer("filters", triangles(256), persistent=False)
        k, n = torch.arange(COEFFICIENTS)[None], torch.arange(BANDS)[:, None]
        self.register_buffer("cosines", torch.cos(math.pi / BANDS * (n + 0.5) * k) * math.sqrt(2 / BANDS), persistent=False)
        self.scale = nn.BatchNorm1d(COEFFICIENTS)
        self.first = nn.Sequential(nn.Conv1d(COEFFICIENTS, width, 5, padding=2, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        self.blocks = nn.ModuleList(Fields(width, d) for d in (2, 3, 4))
        self.join = nn.Sequential(nn.Conv1d(3 * width, width, 1), nn.ReLU())
        self.pool, self.head = Pool(width, each=True), head(2 * width)

    def front(self, audio: torch.Tensor) -> list[torch.Tensor]:
        real, imaginary = self.power.spectra(level_normalised(audio))
        return [torch.log((real * real + imaginary * imaginary) @ self.filters + self.power.floor).unsqueeze(1)]

    def classify(self, maps: list[torch.Tensor]) -> torch.Tensor:
        x = self.first(self.scale((maps[0].squeeze(1) @ self.cosines).transpose(1, 2)))
        done = []
        for block in self.blocks:
            x = block(x)
            done.append(x)
        return self.head(self.pool(self.join(torch.cat(done, dim=1)))).squeeze(1)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.classify(self.front(audio))
