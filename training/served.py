"""Score clips with the server's own command, `earwitness evaluate`: what the card says is then what anyone gets who runs it."""

import csv
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from clips import Clip

THROUGH = {"clean": "clean", "mu-law 8 kHz": "mulaw8k", "Opus 12 kbit/s": "opus12", "Opus 12 kbit/s, 5 % lost": "opus12-loss5"}
"""The conditions of `conditions.py`, as the command calls them."""
COMMAND = Path(__file__).parents[1] / "bin" / "earwitness.js"
CANDIDATE = "candidate"
"""What the pack is called meanwhile: the server finds its own `default` first."""


def copied(pack: Path, models: Path) -> None:
    """Put a copy of a pack into a folder of packs under a name of its own."""
    shutil.copytree(pack, models / CANDIDATE)
    file = models / CANDIDATE / "model.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "id": CANDIDATE}))


def llrs(file: Path) -> dict[str, float]:
    """A file of scores by trial; where nobody speaks there is no evidence, as the command counts it."""
    rows = (line.split("\t") for line in file.read_text().splitlines() if not line.startswith("# "))
    return {trial: 0.0 if score == "-" else float(score) for trial, score in rows}


def evaluate(pack: Path, clips: list[Clip], folder: Path) -> dict[str, tuple[list[tuple[Clip, float]], float | None]]:
    """By condition: clips, which lie below `folder`, with their LLRs, and the EER that the command reports."""
    with tempfile.TemporaryDirectory() as scratch:
        models, out, protocol = (Path(scratch) / name for name in ("models", "out", "protocol.csv"))
        copied(pack, models)
        with open(protocol, "w", newline="") as handle:
            csv.writer(handle).writerows([c.file, "spoof" if c.spoof else "bonafide", c.system] for c in clips)
        options = {"protocol": protocol, "audio": folder, "model": CANDIDATE, "out": out, "through": ",".join(THROUGH.values())}
        command = ["node", COMMAND, "evaluate", *(word for name, value in options.items() for word in (f"--{name}", value))]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "EARWITNESS_MODELS_DIR": str(models)})
        reported = {row["condition"]: row["eer"] for row in json.loads((out / "report.json").read_text())["conditions"]}
        result = {}
        for name, called in THROUGH.items():
            scores = llrs(out / ("scores.txt" if called == "clean" else f"scores-{called}.txt"))
            result[name] = ([(c, scores[c.file]) for c in clips], reported[called])
        return result
