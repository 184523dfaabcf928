"""Generators that build the waveform by convolution: an upsampler, one with periodic activations, one with a source."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from vocoders.signal import MELS, RATE, log_mel, pitch


def conv(inputs: int, outputs: int, size: int, dilation: int = 1) -> nn.Conv1d:
    """A convolution that keeps the length."""
    return nn.utils.parametrizations.weight_norm(
        nn.Conv1d(inputs, outputs, size, dilation=dilation, padding=(size - 1) // 2 * dilation)
    )


class Snake(nn.Module):
    """x + sin²(ax) / a, with a for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.sin(self.a * x) ** 2 / (self.a + 1e-4)


def activation(channels: int, snake: bool) -> nn.Module:
    """The non-linearity of a generator."""
    return Snake(channels) if snake else nn.LeakyReLU(0.1)


class Fields(nn.Module):
    """Residual branches with several receptive fields, averaged."""

    def __init__(self, channels: int, snake: bool, sizes: tuple[int, ...] = (3, 7), dilations: tuple[int, ...] = (1, 3)):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.ModuleList(nn.Sequential(activation(channels, snake), conv(channels, channels, size, d)) for d in dilations)
            for size in sizes
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = 0
        for branch in self.branches:
            y = x
            for step in branch:
                y = y + step(y)
            out = out + y
        return out / len(self.branches)


class Repeat(nn.Module):
    """Upsampling by repetition and a convolution: none of a transposed convolution's chequerboard."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.factor, self.smooth = factor, conv(inputs, outputs, 2 * factor + 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.smooth(x.repeat_interleave(self.factor, dim=2))


class Upsampler(nn.Module):
    """Log mel to waveform by growing rates, as HiFi-GAN does; with `snake`, in the manner of BigVGAN."""

    def __init__(self, factors: tuple[int, ...], channels: int, size: int, snake: bool) -> None:
        super().__init__()
        self.hop, self.size = math.prod(factors), size
        self.first = conv(MELS, channels, 7)
        stages, width = [], channels
        for factor in factors:
            narrow = max(width // 2, 20)
            grow = (
                Repeat(width, narrow, factor)
                if snake
                else nn.ConvTranspose1d(width, narrow, 2 * factor, factor, factor // 2 + factor % 2, output_padding=factor % 2)
            )
            stages.append(nn.Sequential(activation(width, snake), grow, Fields(narrow, snake)))
            width = narrow
        self.stages = nn.Sequential(*stages)
        self.last = nn.Sequential(activation(width, snake), conv(width, 1, 7))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        mel = log_mel(audio, self.size, self.hop)
        return torch.tanh(self.last(self.stages(self.first(mel * 0.25 + 1)))[:, 0].float())


class Filter(nn.Module):
    """Dilated gated convolutions over samples, steered by the frames."""

    def __init__(self, channels: int, frames: int, layers: int) -> None:
        super().__init__()
        self.inside = nn.ModuleList(conv(channels, 2 * channels, 3, 2 ** (i % 5)) for i in range(layers))
        self.steer = nn.ModuleList(nn.Conv1d(frames, 2 * channels, 1) for _ in range(layers))
        self.out = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(layers))

    def forward(self, x: torch.Tensor, frames: torch.Tensor, hop: int) -> torch.Tensor:
        for inside, steer, out in zip(self.inside, self.steer, self.out, strict=True):
            a, b = (inside(x) + steer(frames).repeat_interleave(hop, dim=2)).chunk(2, dim=1)
            x = x + out(torch.tanh(a) * torch.sigmoid(b))
        return x


class Source(nn.Module):
    """A neural source-filter: harmonics of the measured pitch and noise, shaped by convolutions over samples.

    The filter runs at a quarter of the rate on four samples a step, which costs a quarter.
    """

    hop, size, fold, harmonics = 80, 640, 4, 8

    def __init__(self, channels: int = 64, frames: int = 64, layers: int = 10) -> None:
        super().__init__()
        self.read = nn.Sequential(conv(MELS + 2, frames, 5), nn.LeakyReLU(0.1), conv(frames, frames, 5))
        self.mix = nn.Linear(self.harmonics + 1, 1)
        self.first = conv(2 * self.fold, channels, 3)
        self.filter = Filter(channels, frames, layers)
        self.last = nn.Sequential(nn.LeakyReLU(0.1), conv(channels, channels, 5), nn.LeakyReLU(0.1), conv(channels, self.fold, 5))

    def excitation(self, hertz: torch.Tensor, voiced: torch.Tensor) -> torch.Tensor:
        """[B, N]: sines where the voice is, noise everywhere."""
        hertz, voiced = (x.repeat_interleave(self.hop, dim=1) for x in (hertz, voiced))
        phase = torch.cumsum(hertz.double() / RATE, dim=1)[..., None] * torch.arange(1, self.harmonics + 1)
        sines = torch.sin(2 * math.pi * (phase % 1)).float() * voiced[..., None] * 0.1
        sines = sines * (hertz[..., None] * torch.arange(1, self.harmonics + 1) < RATE / 2)
        noise = torch.randn_like(hertz)[..., None] * 0.03
        return torch.tanh(self.mix(torch.cat([sines + 0.1 * noise, noise], dim=2)))[..., 0]

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        hertz, voiced = pitch(audio, self.hop)
        mel = log_mel(audio, self.size, self.hop) * 0.25 + 1
        frames = self.read(torch.cat([mel, torch.log(hertz / 150)[:, None], voiced[:, None]], dim=1))
        source = self.excitation(hertz, voiced)
        batch, length = source.shape
        noise = torch.randn_like(source) * 0.1
        folded = torch.cat([s.reshape(batch, -1, self.fold).transpose(1, 2) for s in (source * 5, noise)], dim=1)
        shaped = self.last(self.filter(self.first(folded), frames, self.hop // self.fold))
        return shaped.transpose(1, 2).reshape(batch, length).float()


def pad_to(audio: torch.Tensor, multiple: int) -> torch.Tensor:
    """The audio, lengthened by zeros to a multiple."""
    return F.pad(audio, (0, -audio.shape[1] % multiple))
