"""What vocoders are given and judged by: log mel spectra, short-time spectra, pitch."""

import functools
import math

import torch
from torch.nn import functional as F

RATE = 16_000
MELS = 80


def mel_filters(size: int, bands: int = MELS, top: float = 8000.0) -> torch.Tensor:
    """[bands, size / 2 + 1] triangles, equally spaced on the mel scale, each of height 1."""
    edges = 700 * (10 ** (torch.linspace(0, 2595 * math.log10(1 + top / 700), bands + 2) / 2595) - 1)
    frequency = torch.linspace(0, RATE / 2, size // 2 + 1)
    rising = (frequency[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency[None]) / (edges[2:] - edges[1:-1])[:, None]
    filters = torch.minimum(rising, falling).clamp(min=0)
    narrow = filters.sum(1) < 1e-3
    nearest = torch.argmin((frequency[None] - edges[1:-1, None]).abs(), dim=1)
    filters[narrow, nearest[narrow]] = 1
    return filters


@functools.cache
def filters_for(size: int, bands: int) -> torch.Tensor:
    """The filters of this size, made once."""
    return mel_filters(size, bands)


@functools.cache
def hann(size: int) -> torch.Tensor:
    """The window of this size, made once."""
    return torch.hann_window(size)


def spectrum(audio: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """[B, N] to complex [B, size / 2 + 1, N / hop], frame t centred on sample (t + 0.5) * hop."""
    side = (size - hop) // 2
    padded = F.pad(audio.float(), (side, size - hop - side))
    return torch.stft(padded, size, hop, size, hann(size), center=False, return_complex=True)


def magnitude(audio: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """Magnitudes of `spectrum`, with a gradient everywhere."""
    s = spectrum(audio, size, hop)
    return torch.sqrt(s.real**2 + s.imag**2 + 1e-9)


def log_mel(audio: torch.Tensor, size: int, hop: int, bands: int = MELS) -> torch.Tensor:
    """[B, N] to [B, bands, N / hop], natural logarithm, floored where 16 bits end."""
    return torch.log(torch.clamp(filters_for(size, bands) @ magnitude(audio, size, hop), min=1e-4))


def overlap_add(spec: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """The inverse of `spectrum`: complex [B, bins, T] to [B, T * hop]."""
    window = hann(size)
    frames = torch.fft.irfft(spec, size, dim=1) * window[None, :, None]
    count = spec.shape[2]
    length = (count - 1) * hop + size
    shape = dict(output_size=(1, length), kernel_size=(1, size), stride=(1, hop))
    weight = F.fold((window**2)[None, :, None].expand(1, size, count), **shape)
    audio = F.fold(frames, **shape) / weight.clamp(min=1e-3)
    side = (size - hop) // 2
    return audio[:, 0, 0, side : side + count * hop]


@torch.no_grad()
def pitch(audio: torch.Tensor, hop: int, low: float = 65, high: float = 420) -> tuple[torch.Tensor, torch.Tensor]:
    """Hertz and voicing (0 to 1) of each hop, [B, N / hop] each, by normalised autocorrelation over 64 ms."""
    size = 1024
    side = (size - hop) // 2
    frames = F.pad(audio.float(), (side, size - hop - side)).unfold(1, size, hop)
    frames = (frames - frames.mean(2, keepdim=True)) * hann(size)
    power = torch.fft.rfft(frames, 2 * size).abs() ** 2
    taper = torch.fft.irfft(torch.fft.rfft(hann(size), 2 * size).abs() ** 2)
    correlation = torch.fft.irfft(power)
    correlation = correlation / (correlation[..., :1] + 1e-5) / (taper / taper[0]).clamp(min=0.05)
    lags = torch.arange(int(RATE / high), int(RATE / low) + 1)
    span = correlation[..., lags] - 0.0004 * lags
    lag = lags[span.argmax(2)].unsqueeze(-1)
    left, centre, right = (correlation.gather(2, lag + d)[..., 0] for d in (-1, 0, 1))
    shift = 0.5 * (left - right) / (left - 2 * centre + right).clamp(max=-1e-6)
    hertz = RATE / (lag[..., 0] + shift.clamp(-1, 1))
    return hertz, torch.sigmoid((centre - 0.5) * 20)
