"""Generators that build short-time spectra and return by one inverse transform: direct, or by a flow from shaped noise."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from vocoders.signal import MELS, filters_for, log_mel, overlap_add, spectrum


class Block(nn.Module):
    """A ConvNeXt block over frames."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.spread = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.scale = nn.Parameter(torch.full((width,), 0.2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.spread(x).transpose(1, 2))
        return x + (self.down(F.gelu(self.up(y))) * self.scale).transpose(1, 2)


class Direct(nn.Module):
    """Log mel to magnitude and phase of every frame, in the manner of Vocos."""

    hop, size = 160, 640

    def __init__(self, width: int = 144, inner: int = 320, blocks: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv1d(MELS, width, 7, padding=3)
        self.body = nn.Sequential(*(Block(width, inner) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, self.size + 2)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        mel = log_mel(audio, self.size, self.hop) * 0.25 + 1
        out = self.last(self.norm(self.body(self.first(mel)).transpose(1, 2))).transpose(1, 2).float()
        level, phase = out.chunk(2, dim=1)
        return overlap_add(torch.polar(torch.exp(level.clamp(max=5)), phase), self.size, self.hop)


class Flow(nn.Module):
    """Noise with the mel's envelope carried to speech in a few straight steps: a small rectified flow over spectra."""

    hop, size, steps = 128, 512, 6

    def __init__(self, width: int = 160, inner: int = 320, blocks: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv1d(MELS + self.size + 2 + 8, width, 3, padding=1)
        self.body = nn.Sequential(*(Block(width, inner) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, self.size + 2)

    def envelope(self, mel: torch.Tensor) -> torch.Tensor:
        """[B, bins, T]: what magnitude the mel bands make likely in each bin."""
        filters = filters_for(self.size, MELS)
        edge = filters.sum(0) < 1e-3
        filters = torch.where(edge[None], filters.roll(1, 1) + filters.roll(-1, 1), filters)
        share = filters / filters.sum(0, keepdim=True).clamp(min=1e-3)
        inside = torch.exp(mel) / filters_for(self.size, MELS).sum(1)[None, :, None]
        return torch.einsum("mf,bmt->bft", share, inside).clamp(min=2e-3)

    def speed(self, mel: torch.Tensor, state: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Where the state is heading at this time, both in units of the envelope; real over imaginary parts."""
        wave = time[:, None, None] * math.pi * torch.arange(1, 5)[None, :, None]
        clock = torch.cat([torch.sin(wave), torch.cos(wave)], dim=1).expand(-1, -1, mel.shape[2])
        x = self.first(torch.cat([mel * 0.25 + 1, state, clock], dim=1))
        return self.last(self.norm(self.body(x).transpose(1, 2))).transpose(1, 2).float()

    def pairs(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mel, envelope, and the spectrum in units of the envelope."""
        mel = log_mel(audio, self.size, self.hop)
        envelope = self.envelope(mel)
        spec = spectrum(audio, self.size, self.hop) / envelope
        return mel, envelope, torch.cat([spec.real, spec.imag], dim=1)

    def loss(self, audio: torch.Tensor) -> torch.Tensor:
        """How far the predicted speed is from the straight line between noise and speech."""
        mel, _, target = self.pairs(audio)
        noise = torch.randn_like(target) * 0.6
        time = torch.rand(len(audio))
        state = noise + time[:, None, None] * (target - noise)
        return F.mse_loss(self.speed(mel, state, time), target - noise)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        mel, envelope, target = self.pairs(audio)
        state = torch.randn_like(target) * 0.6
        for step in range(self.steps):
            time = torch.full((len(audio),), step / self.steps)
            state = state + self.speed(mel, state, time) / self.steps
        real, imaginary = (state * torch.cat([envelope, envelope], dim=1)).chunk(2, dim=1)
        return overlap_add(torch.complex(real, imaginary), self.size, self.hop)
