"""A small neural codec: convolutions down to 50 frames a second, residual vector quantisation, convolutions back."""

import torch
from torch import nn
from torch.nn import functional as F

from vocoders.generators import conv

KEEP = 0.98


class Quantiser(nn.Module):
    """One codebook, moved by running averages; a code that nobody uses is given a fresh place."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("book", torch.randn(codes, width) * 0.5)
        self.register_buffer("uses", torch.ones(codes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The nearest code of each row of [n, width]."""
        distance = (self.book**2).sum(1)[None] - 2 * x @ self.book.T
        index = distance.argmin(1)
        chosen = self.book[index]
        if self.training:
            self.learn(x.detach(), index)
        return chosen

    @torch.no_grad()
    def learn(self, x: torch.Tensor, index: torch.Tensor) -> None:
        """Move each code towards the rows that chose it."""
        count = torch.bincount(index, minlength=len(self.book)).float()
        total = torch.zeros_like(self.book).index_add_(0, index, x)
        moved = total / count.clamp(min=1)[:, None]
        rate = torch.where(count > 0, 1 - KEEP ** count.clamp(max=8), torch.zeros_like(count))[:, None]
        self.book.lerp_(moved, rate)
        self.uses.mul_(KEEP).add_(count, alpha=1 - KEEP)
        idle = (self.uses < 0.02).nonzero()[:, 0]
        if len(idle):
            self.book[idle] = x[torch.randint(len(x), (len(idle),))]
            self.uses[idle] = 1


class Codec(nn.Module):
    """Waveform to codes and back, in the manner of SoundStream; 6 stages of 256 codes make 2.4 kbit/s."""

    strides, width = (4, 4, 4, 5), 64

    def __init__(self, channels: int = 20, stages: int = 6, codes: int = 256) -> None:
        super().__init__()
        self.hop = 320
        down, up, wide = [conv(1, channels, 7)], [], channels
        for stride in self.strides:
            wider = min(wide * 2, 128)
            down += [Residual(wide), nn.ELU(), nn.Conv1d(wide, wider, 2 * stride, stride, stride // 2 + stride % 2)]
            up = [nn.ELU(), nn.ConvTranspose1d(wider, wide, 2 * stride, stride, stride // 2 + stride % 2,
                                               output_padding=stride % 2), Residual(wide), *up]
            wide = wider
        self.encode = nn.Sequential(*down, nn.ELU(), conv(wide, self.width, 3))
        self.stages = nn.ModuleList(Quantiser(codes, self.width) for _ in range(stages))
        self.decode = nn.Sequential(conv(self.width, wide, 7), *up, nn.ELU(), conv(channels, 1, 7))
        self.commitment = torch.zeros(())

    def quantise(self, latent: torch.Tensor) -> torch.Tensor:
        """[B, width, T] to the sum of its codes; while training, half of the time with fewer stages."""
        rows = latent.float().transpose(1, 2).reshape(-1, self.width)
        few = self.training and torch.rand(()) < 0.5
        used = int(torch.randint(2, len(self.stages) + 1, ())) if few else len(self.stages)
        rest, total = rows, torch.zeros_like(rows)
        for stage in self.stages[:used]:
            code = stage(rest)
            total, rest = total + code, rest - code.detach()
        self.commitment = F.mse_loss(rows, total.detach())
        total = rows + (total - rows).detach()
        return total.reshape(len(latent), -1, self.width).transpose(1, 2)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.decode(self.quantise(self.encode(audio[:, None] * 5)))[:, 0].float() / 5


class Residual(nn.Module):
    """Two dilated convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(*(nn.Sequential(nn.ELU(), conv(channels, channels, 3, d)) for d in (1, 3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.steps(x)
