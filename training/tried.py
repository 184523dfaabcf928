"""Gather everything that was judged on development folds left out into one table, `results/tried.json`, for the card."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compare import size_of

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Setting:
    """One row: what it is, the file of results it stands in, its name there if that holds several, and its networks."""

    name: str
    file: str
    networks: tuple[str, ...]
    key: str = ""


SETTINGS = (
    Setting("`logspec`: log power, linear frequency, CNN", "comparison", ("logspec",), "logspec, no copies"),
    Setting("`two-rates`: fine time beside fine frequency", "comparison", ("two-rates",), "two-rates, no copies"),
    Setting("`raw`: filters on the waveform", "comparison", ("raw",), "raw, no copies"),
    Setting("`phase`: how the phase moves, beside power", "comparison", ("phase",), "phase, no copies"),
    Setting("`logspec`, 40 % of the machines copies by six vocoders", "comparison", ("logspec",), "logspec"),
    Setting("`two-rates`, 40 % copies by six vocoders", "comparison", ("two-rates",), "two-rates"),
    Setting("`two-rates`, 15 % copies by the better three", "comparison", ("two-rates",), "two-rates, few good copies"),
    Setting("`two-rates`, twice the windows", "comparison-more-windows", ("two-rates",), "two-rates, no copies"),
    Setting("`two-rates`, 20 epochs", "judged", ("two-rates",)),
    Setting("ensemble of `two-rates`, `logspec`, `raw`", "ensemble-three-networks", ("two-rates", "logspec", "raw")),
    Setting("ensemble of `two-rates` with and without copies, `logspec`", "ensemble-with-and-without-copies",
            ("two-rates", "logspec", "two-rates")),
    Setting("`guided`: taught the frames and a straight line's logits", "guided", ("guided",)),
    Setting("`guided`: first only to hear, then to tell; studio voices, every degree of cleanliness", "told", ("guided",)),
    Setting("the same, having learned to hear past calls in between", "past-calls", ("guided",)),
    Setting("the same, having learned to hear for longer: what ships", "heard-long", ("guided",)),
)


def judged(setting: Setting) -> dict[str, dict[str, float]]:
    """EER by treatment and fold."""
    found = json.loads((RESULTS / f"{setting.file}.json").read_text())
    if setting.key:
        row = found["settings"][setting.key]
        return {t: {fold.split(",")[0]: eer for fold, eer in row[t]["folds"].items()} for t in ("clean", "mu-law")}
    return {t: {fold: row[t]["eer"] for fold, row in found["folds"].items()} for t in ("clean", "mu-law")}


def row(setting: Setting, sizes: dict[str, dict]) -> dict:
    """A line of the table: means and spreads over the folds that were judged; an ensemble costs the sum of its networks."""
    figures, used = judged(setting), [sizes[n] for n in setting.networks]
    return {
        "setting": setting.name,
        "parameters": sum(s["parameters"] for s in used),
        "mmacs": round(sum(s["mmacs"] for s in used), 1),
        "ms": round(sum(s["ms_batch_8"] for s in used), 1),
        "folds": " ".join(sorted(figures["clean"])),
        **{t: [round(float(f(list(v.values()))), 4) for f in (np.mean, np.std)] for t, v in figures.items()},
    }


def main() -> None:
    present = [s for s in SETTINGS if (RESULTS / f"{s.file}.json").exists()]
    sizes = {name: size_of(name) for name in sorted({n for s in present for n in s.networks})}
    table = [row(s, sizes) for s in present]
    (RESULTS / "tried.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    for line in table:
        print(line)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
