"""Networks of two-dimensional convolutions on pictures of the sound."""

import torch
from torch import nn

from networks.parts import Body, Pool, Step, head
from networks.spectra import FLOOR, LogPower, Spectra, level_normalised


def long_steps(inputs: int, first: tuple[int, int] = (2, 2)) -> list[Step]:
    """Seven convolutions that leave an eighth of the frames and a thirty-second of the bins."""
    return [
        Step(inputs, 16, 5, first),
        Step(16, 32, 3, (2, 2)),
        Step(32, 48, 3, (2, 2)),
        Step(48, 48),
        Step(48, 64, 3, (1, 2)),
        Step(64, 64),
        Step(64, 64, 3, (1, 2)),
    ]


class LogSpec(nn.Module):
    """Log power with a linear frequency axis: 512 points every 256."""

    def __init__(self) -> None:
        super().__init__()
        self.power = LogPower(512, 256)
        self.body = Body(long_steps(1), 64, 8, 64)
        self.pool, self.head = Pool(64), head(128)

    def front(self, audio: torch.Tensor) -> list[torch.Tensor]:
        return [self.power(level_normalised(audio))]

    def classify(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return self.head(self.pool(self.body(maps[0]))).squeeze(1)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.classify(self.front(audio))


class Phase(LogSpec):
    """Log power up to 5 kHz, and how the phase moves from frame to frame and from bin to bin, as points near the unit circle."""

    def __init__(self) -> None:
        super().__init__()
        self.spectra, self.power = Spectra(512, 128, 160), nn.Identity()
        bins = torch.arange(1, 161, dtype=torch.float64)
        turn = -2 * torch.pi * bins * 128 / 512
        self.register_buffer("turn_real", turn.cos().float(), persistent=False)
        self.register_buffer("turn_imaginary", turn.sin().float(), persistent=False)
        self.register_buffer("sign", torch.where(bins % 2 == 0, 1.0, -1.0).float(), persistent=False)
        self.body = Body(long_steps(5, (4, 2)), 64, 5, 64)

    def front(self, audio: torch.Tensor) -> list[torch.Tensor]:
        real, imaginary = self.spectra(level_normalised(audio))
        power = real * real + imaginary * imaginary
        scale = torch.rsqrt(power + 10 * FLOOR)
        a, b = real * scale, imaginary * scale
        a1, b1, a0, b0 = a[:, 1:], b[:, 1:], a[:, :-1], b[:, :-1]
        along_real, along_imaginary = a1 * a0 + b1 * b0, b1 * a0 - a1 * b0
        across = [(a[:, 1:, 1:] * a[:, 1:, :-1] + b[:, 1:, 1:] * b[:, 1:, :-1]) * -1,
                  (b[:, 1:, 1:] * a[:, 1:, :-1] - a[:, 1:, 1:] * b[:, 1:, :-1]) * -1]
        across = [torch.cat([x[..., :1], x], dim=2) for x in across]
        along = [along_real * self.turn_real - along_imaginary * self.turn_imaginary,
                 along_imaginary * self.turn_real + along_real * self.turn_imaginary]
        return [torch.stack([torch.log(power[:, 1:] + FLOOR), *along, *across], dim=1)]


class TwoRates(nn.Module):
    """Two log spectra side by side: 64 points every 32 for fine time, 1,024 every 512 for fine frequency."""

    def __init__(self) -> None:
        super().__init__()
        self.short, self.long = LogPower(64, 32), LogPower(1024, 512)
        self.short_body = Body(
            [Step(1, 12, 5, (4, 2)), Step(12, 24, 3, (2, 2)), Step(24, 32, 3, (2, 2)), Step(32, 48, 3, (2, 1)), Step(48, 48)], 48, 4, 64
        )
        self.long_body = Body(
            [Step(1, 12, 5, (1, 4)), Step(12, 24, 3, (2, 2)), Step(24, 48, 3, (2, 2)), Step(48, 48), Step(48, 64, 3, (1, 2)),
             Step(64, 64)], 64, 16, 64
        )
        self.pools = nn.ModuleList([Pool(64), Pool(64)])
        self.head = head(256)

    def front(self, audio: torch.Tensor) -> list[torch.Tensor]:
        audio = level_normalised(audio)
        return [self.short(audio), self.long(audio)]

    def classify(self, maps: list[torch.Tensor]) -> torch.Tensor:
        bodies = (self.short_body, self.long_body)
        pooled = [pool(body(m)) for pool, body, m in zip(self.pools, bodies, maps, strict=True)]
        return self.head(torch.cat(pooled, dim=1)).squeeze(1)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.classify(self.front(audio))


class RawFilters(nn.Module):
    """64 learned filters of 8 ms, begun as evenly spaced band passes, every 2 ms; then convolutions over the picture."""

    def __init__(self) -> None:
        super().__init__()
        time = torch.arange(128) - 63.5
        centres = (torch.arange(64) + 0.5) * (torch.pi / 64)
        window = 0.54 + 0.46 * torch.cos(torch.pi * time / 64)
        self.filters = nn.Conv1d(1, 64, 128, stride=32, bias=False)
        self.filters.weight.data = (torch.cos(centres[:, None] * time[None]) * window * 0.1)[:, None]
        self.body = Body(
            [Step(1, 16, 5, (2, 2)), Step(16, 24, 3, (2, 2)), Step(24, 32, 3, (2, 2)), Step(32, 48, 3, (2, 2)), Step(48, 64, 3, (2, 1)),
             Step(64, 64)], 64, 4, 64
        )
        self.pool, self.head = Pool(64), head(128)

    def front(self, audio: torch.Tensor) -> list[torch.Tensor]:
        return [level_normalised(audio)]

    def classify(self, maps: list[torch.Tensor]) -> torch.Tensor:
        bands = self.filters(maps[0].unsqueeze(1))
        picture = torch.log(bands * bands + 1e-3).transpose(1, 2).unsqueeze(1)
        return self.head(self.pool(self.body(picture))).squeeze(1)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.classify(self.front(audio))
