"""Short-time spectra as matrix products, which every ONNX runtime computes alike."""

import math

import torch
from torch import nn

FLOOR = 3e-4
"""Added to the power of each bin of level-normalised audio, for a window of 512: about 58 dB under white noise of that level."""


def level_normalised(audio: torch.Tensor) -> torch.Tensor:
    """[B, N] with a root mean square of 1; silence stays silence."""
    return audio / torch.sqrt((audio * audio).mean(dim=1, keepdim=True) + 1e-9)


class Spectra(nn.Module):
    """[B, N] to real and imaginary parts, [B, frames, bins] each: Hann, `size` points every `hop`, bins 1 to `bins`.

    A Hann window is symmetric, so a real transform of N samples needs only the N/2 sums and the N/2 differences
    of mirrored samples: f[n] + f[N-n] meets the cosines, f[n] - f[N-n] the sines. That halves the multiplications.
    """

    def __init__(self, size: int, hop: int, bins: int | None = None) -> None:
        super().__init__()
        if size % (2 * hop):
            raise ValueError("half of the window must be a multiple of the hop")
        self.size, self.hop, self.half = size, hop, size // 2
        n = torch.arange(1, self.half + 1, dtype=torch.float64)
        k = torch.arange(1, (bins or self.half) + 1, dtype=torch.float64)
        angle = 2 * math.pi / size * n[:, None] * k[None, :]
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * n / size)
        middle = torch.where(n == self.half, 0.5, 1.0)
        self.register_buffer("cosines", (angle.cos() * (hann * middle)[:, None]).float(), persistent=False)
        self.register_buffer("sines", (angle.sin() * hann[:, None]).float(), persistent=False)

    def cut(self, audio: torch.Tensor, first: int, count: int) -> torch.Tensor:
        """[B, count, half]: half windows that begin at `first`, every hop."""
        parts = self.half // self.hop
        pieces = audio[:, first : first + (count + parts - 1) * self.hop].reshape(audio.shape[0], -1, self.hop)
        return torch.cat([pieces[:, i : i + count] for i in range(parts)], dim=2) if parts > 1 else pieces

    def forward(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = (audio.shape[1] - self.size) // self.hop
        ahead = self.cut(audio, 1, count)
        behind = self.cut(audio, self.half, count).flip(2)
        return (ahead + behind) @ self.cosines, (ahead - behind) @ self.sines


class LogPower(nn.Module):
    """[B, N] to [B, 1, frames, bins] log power over a floor that goes with the window's length."""

    def __init__(self, size: int, hop: int, bins: int | None = None) -> None:
        super().__init__()
        self.spectra, self.floor = Spectra(size, hop, bins), FLOOR * size / 512

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        real, imaginary = self.spectra(audio)
        return torch.log(real * real + imaginary * imaginary + self.floor).unsqueeze(1)
