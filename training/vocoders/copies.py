"""Copy-synthesis: every human clip of dev through each vocoder, into one cache with a hash for each copy."""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from scipy.signal import resample_poly
from torch.nn import functional as F

from clips import Clip, Corpus
from vocoders.generators import pad_to
from vocoders.kinds import KINDS, MULTIPLE
from vocoders.packing import WEIGHTS, load

FADE = 80
GIVEN = "hifigan-v2"
GIVEN_LIMIT = 500
"""How many clips the given vocoder copies: it takes up to a second each."""


def like(copy: np.ndarray, human: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The copy treated as every clip of the corpus: mean removed, the human's level, faded ends, dithered to 16 bits."""
    copy = copy[: len(human)] - copy.mean()
    copy *= np.sqrt(np.mean(human**2) / (np.mean(copy**2) + 1e-12))
    ramp = np.linspace(0, 1, FADE)
    copy[:FADE] *= ramp
    copy[-FADE:] *= ramp[::-1]
    return np.clip(np.round(copy * 32768 + rng.uniform(-1, 1, len(copy))), -32768, 32767).astype(np.int16)


class Own:
    """One of our vocoders."""

    def __init__(self, kind: str):
        torch.set_num_threads(1)
        self.model = load(kind)

    @torch.no_grad()
    def __call__(self, human: np.ndarray) -> np.ndarray:
        return self.model(pad_to(torch.from_numpy(human)[None], MULTIPLE))[0].numpy()


def slaney_filters(bands: int = 80, size: int = 1024, rate: int = 22_050, top: float = 8000) -> np.ndarray:
    """[bands, size / 2 + 1] triangles on Slaney's scale (linear to 1 kHz), each of area 1."""
    step = np.log(6.4) / 27
    top_mel = 15 + np.log(top / 1000) / step
    mel = np.linspace(0, top_mel, bands + 2)
    edges = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(step * (mel - 15)))
    frequency = np.linspace(0, rate / 2, size // 2 + 1)
    rising = (frequency - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequency) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]


class Given:
    """The universal HiFi-GAN v2 that comes with the corpus, at 22,050 Hz."""

    def __init__(self, file: Path):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.filters = torch.from_numpy(slaney_filters()).float()

    def __call__(self, human: np.ndarray) -> np.ndarray:
        audio = torch.from_numpy(resample_poly(human, 441, 320).astype(np.float32))[None]
        padded = F.pad(audio[:, None], (384, 384), mode="reflect")[:, 0]
        spec = torch.stft(padded, 1024, 256, 1024, torch.hann_window(1024), center=False, return_complex=True)
        mel = torch.log(torch.clamp(self.filters @ spec.abs(), min=1e-5))
        out = self.session.run(None, {self.session.get_inputs()[0].name: mel.numpy()})[0].reshape(-1)
        back = resample_poly(out, 320, 441).astype(np.float32)
        return np.pad(back, (0, max(0, len(human) - len(back))))


def chosen(clips: list[Clip], limit: int) -> list[int]:
    """Indices of at most `limit` clips, spread over the corpora by the square root of their size."""
    corpora = sorted({c.corpus for c in clips})
    members = {name: [i for i, c in enumerate(clips) if c.corpus == name] for name in corpora}
    total = sum(len(m) ** 0.5 for m in members.values())
    rng = np.random.default_rng(5)
    picked = [rng.permutation(m)[: int(limit * len(m) ** 0.5 / total)] for m in members.values()]
    return sorted(int(i) for p in picked for i in p)


def make(corpus: Corpus, kind: str, vocoder, limit: int | None, folder: Path) -> None:
    """`copies/<kind>.npy` with the samples and `<kind>.json` with where each copy lies, whose it is, and its hash."""
    clips = [c for c in corpus.dev() if not c.spoof]
    picked = range(len(clips)) if limit is None else chosen(clips, limit)
    chunks, index, start = [], [], 0
    for i in picked:
        torch.manual_seed(i)
        human = corpus.samples(clips[i])
        copy = like(vocoder(human).astype(np.float64), human, np.random.default_rng((11, i)))
        digest = hashlib.sha256(copy.tobytes()).hexdigest()
        index.append(dict(source=clips[i].file, kind=kind, start=start, length=len(copy), sha256=digest))
        chunks.append(copy)
        start += len(copy)
    np.save(folder / f"{kind}.npy", np.concatenate(chunks))
    (folder / f"{kind}.json").write_text(json.dumps(index, indent=0))
    print(f"{kind}: {len(index)} copies", flush=True)


def record(folder: Path) -> None:
    """`copies.json` beside the weights: how many copies each kind made, and a hash of their hashes."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        hashes = [row["sha256"] for row in json.loads(file.read_text())]
        found[file.stem] = dict(copies=len(hashes), sha256=hashlib.sha256("\n".join(hashes).encode()).hexdigest())
    (WEIGHTS / "copies.json").write_text(json.dumps(found, indent=2) + "\n")


def main(options: argparse.Namespace) -> None:
    corpus, folder = Corpus(options.work), options.work / "copies"
    folder.mkdir(exist_ok=True)
    kept = json.loads((WEIGHTS / "weights.json").read_text())["vocoders"]
    for kind in options.kinds or [*(k for k in KINDS if k in kept), GIVEN]:
        if (folder / f"{kind}.json").exists():
            continue
        if kind == GIVEN:
            make(corpus, kind, Given(options.data / "vocoders" / "hifigan-v2-universal.onnx"), GIVEN_LIMIT, folder)
        else:
            make(corpus, kind, Own(kind), None, folder)
    record(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--kinds", nargs="+", help="all without it")
    main(parser.parse_args())
