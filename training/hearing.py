"""What networks have learned to hear, kept in `hearing/` in half precision: a detector may begin with it, without the hours before."""

import argparse
import hashlib
import json
from pathlib import Path

import torch

from clips import Corpus
from export import training_data

KEPT = Path(__file__).parent / "hearing"
UNUSED = "amended."
"""The summary's amendment, which no detector begins with."""


def begun(file: Path) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint or of a kept file; one that is not what its folder's hearing.json records is refused."""
    record = file.with_name("hearing.json")
    if record.exists():
        wanted = json.loads(record.read_text())["files"][file.name]["sha256"]
        if hashlib.sha256(file.read_bytes()).hexdigest() != wanted:
            raise ValueError(f"{file} is not the file that {record.name} records")
    saved = torch.load(file, weights_only=True)
    return {k: v.float() if v.is_floating_point() else v for k, v in saved.get("average", saved).items()}


def keep(work: Path, names: list[str]) -> None:
    """`hearing/<name>.pt` of each checkpoint `hearing-<name>.pt`, and hearing.json with their hashes and what they learned from.

    Epochs are those of its three parts: windows as they are, past calls, and past calls for long.
    """
    KEPT.mkdir(exist_ok=True)
    files = {}
    for name in names:
        file = KEPT / f"{name}.pt"
        parts = [torch.load(work / f"hearing-{name}{part}.pt", weights_only=True) for part in ("-first", "-second", "")]
        weights = {k: v.half() if v.is_floating_point() else v for k, v in parts[-1]["average"].items() if not k.startswith(UNUSED)}
        torch.save(weights, file)
        files[file.name] = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "epochs": [p["epoch"] for p in parts]}
    record = {"licence": "Apache-2.0", "files": files, "clips": len(Corpus(work).training()), "trained_on": training_data(work)}
    (KEPT / "hearing.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=keep.__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("names", nargs="+", help="such as main fold0: a fold's network learned without the fold")
    arguments = parser.parse_args()
    keep(arguments.work, arguments.names)
