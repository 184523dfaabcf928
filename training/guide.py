"""The guide: what Distill-MOS, a network that judges how good speech sounds, has learned to hear.

Distill-MOS (Microsoft, MIT licence, from PyPI) learned its judgement from a far larger network that had listened to half a
million hours of speech. A detector cannot learn from a few hours what that has heard; it can learn to hear as the guide does.
The guide is too slow to ship: it speaks during training only. Every stored window is heard once.
"""

import argparse
import json
import sys
import time
import types
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import nn

WIDTH = 200
"""Numbers in a frame of the guide."""
LAYERS = 8
"""What enters the transformer, and its seven layers."""
TAUGHT = 4
"""The layer whose frames the small network learns to predict."""
FRAMES = 100
"""Frames of 40 ms in a window of 4 s: the guide's own frames of 20 ms, two by two."""


def load() -> nn.Module:
    """Distill-MOS with its weights. Its reading of files, which alone needs torchaudio, is not used."""
    sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
    import distillmos

    return distillmos.ConvTransformerSQAModel(segmenting_in_forward=False).eval()


def compressed(audio: torch.Tensor) -> torch.Tensor:
    """[B, 2, 161, 400]: real and imaginary parts of spectra every 10 ms, magnitudes to the power 0.3, as the guide knows them."""
    audio = audio / (audio.abs().amax(dim=1, keepdim=True) + 1e-8)
    audio = nn.functional.pad(audio, (80, 80), mode="reflect")
    spectra = torch.stft(audio, 320, 160, 320, torch.hann_window(320), center=False, return_complex=True)
    return torch.view_as_real(spectra * spectra.abs().clamp(min=1e-12) ** -0.7).permute(0, 3, 1, 2)


class Guide(nn.Module):
    """[B, 64000] samples to what each layer hears: `LAYERS` maps [B, 200, 200] of frames of 20 ms.

    ONNX Runtime does the convolutions, nearly all of the work, in four fifths of PyTorch's time.
    """

    def __init__(self, graph: Path) -> None:
        super().__init__()
        whole = load()
        self.rest = whole.transformer_pool_attn
        if not graph.exists():
            torch.onnx.export(whole.cnn.cnn, (torch.zeros(2, 2, 161, 400),), str(graph), input_names=["spectra"], output_names=["maps"],
                              dynamic_axes={"spectra": {0: "batch"}}, opset_version=17, dynamo=False)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.convolutions = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    @torch.no_grad()
    def forward(self, audio: torch.Tensor) -> list[torch.Tensor]:
        (maps,) = self.convolutions.run(None, {"spectra": compressed(audio).numpy()})
        x = torch.from_numpy(maps).flatten(1, 2)
        inner = self.rest.transformer
        x = inner.linear_proj(inner.norm(self.rest.norm_input(x)).transpose(1, 2))
        heard = [x]
        x = x + inner.position_encoding.pe[:, : x.shape[1]]
        for layer in inner.transformer_encoder.layers:
            x = layer(x)
            heard.append(x)
        return heard


def pooled(heard: list[torch.Tensor]) -> np.ndarray:
    """[B, LAYERS, 400]: mean and deviation over time of each layer."""
    return torch.stack([torch.cat([h.mean(1), h.std(1)], dim=1) for h in heard], dim=1).numpy()


def frames(heard: list[torch.Tensor]) -> np.ndarray:
    """[B, FRAMES, 200] of the layer that is taught."""
    taught = heard[TAUGHT]
    return taught.reshape(len(taught), FRAMES, 2, WIDTH).mean(2).numpy()


def opened(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A float16 array on disk, made when missing."""
    if not file.exists():
        np.lib.format.open_memmap(file, "w+", np.float16, shape).flush()
    return np.lib.format.open_memmap(file, "r+")


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    audio = np.load(options.work / "views.npy", mmap_mode="r")
    kept = opened(options.work / "guide_pooled.npy", (len(audio), LAYERS, 2 * WIDTH))
    taught = opened(options.work / "guide_frames.npy", (len(audio), FRAMES, WIDTH))
    mine = range(options.part, len(audio), options.parts)
    done = options.work / f"guide.{options.part}of{options.parts}"
    first, started = int(done.read_text()) if done.exists() else 0, time.time()
    guide = Guide(options.work / f"guide.{options.part}.onnx")
    for at in range(first, len(mine), options.batch):
        rows = list(mine[at : at + options.batch])
        heard = guide(torch.from_numpy(audio[rows].astype(np.float32) / 32768))
        kept[rows], taught[rows] = pooled(heard), frames(heard)
        if (at // options.batch) % 20 == 0:
            done.write_text(str(at))
            print(f"{at} of {len(mine)}, {time.time() - started:.0f} s", flush=True)
    done.write_text(str(len(mine)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    main(parser.parse_args())
