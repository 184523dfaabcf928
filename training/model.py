"""The network: samples in, one logit out, spectra computed inside the graph."""

import math

import torch
from torch import nn

WINDOW = 64_000
FFT = 512
HOP = 256
FRAMES = WINDOW // HOP - 1
BINS = FFT // 2
FLOOR = 3e-4
"""Added to the power of each bin of level-normalised audio: what lies about 58 dB under white noise of the same level is not seen."""


class LogSpectrum(nn.Module):
    """[B, 64000] samples to [B, 1, 249, 256] log power: level-normalised, Hann, 512 points every 256, bins 1..256.

    A Hann window is symmetric, so a real transform of N samples needs only the N/2 sums and the N/2 differences
    of mirrored samples: f[n] + f[N-n] meets the cosines, f[n] - f[N-n] the sines. That halves the multiplications.
    """

    def __init__(self) -> None:
        super().__init__()
        n = torch.arange(1, BINS + 1, dtype=torch.float64)
        angle = 2 * math.pi / FFT * n[:, None] * n[None, :]
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * n / FFT)
        middle = torch.where(n == BINS, 0.5, 1.0)
        self.register_buffer("cosines", (angle.cos() * (hann * middle)[:, None]).float())
        self.register_buffer("sines", (angle.sin() * hann[:, None]).float())

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        level = (audio * audio).mean(dim=1, keepdim=True)
        audio = audio / torch.sqrt(level + 1e-9)
        ahead = audio[:, 1 : 1 + FRAMES * HOP].reshape(-1, FRAMES, HOP)
        behind = audio[:, HOP:].reshape(-1, FRAMES, HOP).flip(2)
        real = (ahead + behind) @ self.cosines
        imaginary = (ahead - behind) @ self.sines
        return torch.log(real * real + imaginary * imaginary + FLOOR).unsqueeze(1)


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


class Detector(nn.Module):
    """[B, 64000] samples at 16 kHz to [B] logits; positive means machine-made."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.spectrum = LogSpectrum()
        self.scale = nn.BatchNorm2d(1)
        self.body = nn.Sequential(
            Step(1, 16, 5, (2, 2)),
            Step(16, 32, 3, (2, 2)),
            Step(32, 48, 3, (2, 2)),
            Step(48, 48),
            Step(48, 64, 3, (1, 2)),
            Step(64, 64),
            Step(64, 64, 3, (1, 2)),
        )
        bands = BINS // 32
        self.bands = nn.Sequential(nn.Conv1d(64 * bands, 64, 1, bias=False), nn.BatchNorm1d(64), nn.ReLU())
        self.attention = nn.Conv1d(64, 1, 1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 1))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.classify(self.spectrum(audio))

    def classify(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Logits from log spectra; training masks parts of them on the way in."""
        maps = self.body(self.scale(spectrum))
        frames = self.bands(maps.permute(0, 1, 3, 2).flatten(1, 2))
        weight = torch.softmax(self.attention(frames), dim=2)
        mean = (frames * weight).sum(dim=2)
        centred = frames - mean.unsqueeze(2)
        deviation = torch.sqrt((centred * centred * weight).sum(dim=2) + 1e-5)
        return self.head(torch.cat([mean, deviation], dim=1)).squeeze(1)


def parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in model.parameters())
