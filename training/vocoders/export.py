"""Keep trained vocoders: 8-bit weights and weights.json, which says what each is and what it learned from."""

import argparse
import collections
import hashlib
import json
from pathlib import Path

import torch

from clips import Corpus
from vocoders.kinds import KINDS
from vocoders.packing import WEIGHTS, pack
from vocoders.train import voices


def keep(work: Path, kind: str) -> dict:
    """Write `weights/<kind>.pt` and return its line for weights.json."""
    saved = torch.load(work / "vocoders" / f"{kind}.pt", weights_only=True)
    file = WEIGHTS / f"{kind}.pt"
    torch.save({k: pack(v) for k, v in saved["model"].items()}, file)
    content = file.read_bytes()
    count = sum(p.numel() for p in KINDS[kind]().parameters())
    return dict(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), parameters=count, steps=saved["step"])


def main(work: Path) -> None:
    WEIGHTS.mkdir(exist_ok=True)
    clips = collections.Counter((c.corpus, c.licence) for c in voices(Corpus(work)))
    file = WEIGHTS / "weights.json"
    before = json.loads(file.read_text())["vocoders"] if file.exists() else {}
    trained = {kind: keep(work, kind) for kind in KINDS if (work / "vocoders" / f"{kind}.pt").exists()}
    record = {
        "licence": "Apache-2.0",
        "trained_on": [dict(corpus=c, licence=l, clips=n) for (c, l), n in sorted(clips.items())],
        "vocoders": {**before, **trained},
    }
    file.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    main(parser.parse_args().work)
