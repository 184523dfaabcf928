"""Write a pack: model.onnx from trained weights, and its model.json."""

import argparse
import collections
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch

from clips import Corpus
from domain import Judged
from judge import load_average
from model import WINDOW

DESCRIPTION = (
    "General-purpose detector of machine-made speech: a small convolutional network, trained on permissively licensed clips "
    "and taught to hear as Distill-MOS, a judge of speech quality, does. Often wrong; read docs/model-card.md."
)


THRESHOLDS = {"suspect": 0.8, "spoof": 0.95, "bonafide": 0.2, "suspect_exit": 0.5, "spoof_exit": 0.8}
"""The server's own. On channels of development folds left out few humans are ever suspect, of studio voices through Opus too many, and none is spoof; see `channels.py`."""


def export_onnx(model: torch.nn.Module, path: Path, output: str) -> None:
    """One file, fp32, opset 17, batch axis dynamic; refused if ONNX Runtime and PyTorch differ by 1e-3."""
    torch.onnx.export(
        model,
        (torch.zeros(2, WINDOW),),
        str(path),
        input_names=["audio"],
        output_names=[output],
        dynamic_axes={"audio": {0: "batch"}, output: {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    onnx.checker.check_model(str(path))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    audio = np.random.default_rng(0).normal(0, 0.1, (5, WINDOW)).astype(np.float32)
    audio[1, 20_000:30_000] = 0
    audio[2] = 0
    (got,) = session.run(None, {"audio": audio})
    with torch.no_grad():
        want = model(torch.from_numpy(audio)).numpy()
    if got.shape != want.shape or np.abs((got - want) / (1 + np.abs(want))).max() > 1e-3:
        raise RuntimeError(f"ONNX Runtime {got} differs from PyTorch {want}")


def training_data(work: Path) -> list[dict]:
    """What the weights were trained on, counted by source corpus and licence."""
    counts = collections.Counter(
        (f"{'machine' if c.spoof else 'human'}: {c.family if c.spoof else c.corpus}", c.licence) for c in Corpus(work).training()
    )
    return [dict(name=name, licence=licence, clips=n) for (name, licence), n in sorted(counts.items())]


def write_pack(model: torch.nn.Module, family: str, pack: Path, version: str, calibration: dict, farthest: float, work: Path) -> None:
    """Write `model.onnx` and the `model.json` that describes it into the folder `pack`."""
    pack.mkdir(parents=True, exist_ok=True)
    file = pack / "model.onnx"
    export_onnx(model, file, "judged")
    content = file.read_bytes()
    manifest = {
        "format": 1,
        "id": "default",
        "version": version,
        "family": family,
        "description": DESCRIPTION,
        "licence": "Apache-2.0",
        "training_data": training_data(work),
        "sample_rate": 16000,
        "window_samples": WINDOW,
        "hop_samples": 16000,
        "pad": "tile",
        "input": {"name": "audio"},
        "output": {"name": "judged", "form": "logit_and_distance", "farthest": farthest},
        "calibration": calibration,
        "detection": {
            "prior": 0.5,
            "llr_bound": 4,
            "half_life_s": 20,
            "min_speech_ms": 2000,
            "thresholds": THRESHOLDS,
        },
        "batch_sizes": [1, 2, 4, 8],
        "files": {"model.onnx": {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}},
    }
    (pack / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, help="calibration.json; without it a = 1, b = 0")
    parser.add_argument("--version", default="0.0.1")
    arguments = parser.parse_args()
    fitted = {"id": "none", "a": 1.0, "b": 0.0, "data": "not calibrated"}
    if arguments.calibration:
        fitted = {k: v for k, v in json.loads(arguments.calibration.read_text()).items() if k in fitted}
    name = torch.load(arguments.checkpoint, weights_only=True)["network"]
    domain = np.load(arguments.work / "domain.npz")
    network = Judged(load_average(arguments.checkpoint), domain["mean"], domain["matrix"]).eval()
    limit = json.loads((arguments.work / "domain.json").read_text())["farthest"]
    write_pack(network, f"{name}-cnn", arguments.pack, arguments.version, fitted, limit, arguments.work)
    print((arguments.pack / "model.json").read_text())
