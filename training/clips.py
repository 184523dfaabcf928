"""The corpus: manifest rows joined with one cache of decoded samples."""

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 16_000
SHARE_ALIKE = ("BY-SA", "ODbL")


@dataclass(frozen=True)
class Clip:
    """One manifest row; `start` and `length` are samples inside the cache."""

    file: str
    spoof: bool
    split: str
    fold: int
    speaker_in_dev: bool
    system: str
    family: str
    speaker: str
    corpus: str
    licence: str
    start: int
    length: int

    @property
    def share_alike(self) -> bool:
        """Whether the licence of any ingredient would bind the weights."""
        return any(mark in self.licence for mark in SHARE_ALIKE)

    @property
    def group(self) -> str:
        """What shares a weight in training: the family of a machine, the corpus of a human.

        Prompts are one corpus, whoever speaks, and the copies of each voice a family: so that a voice says little about the class.
        """
        if self.spoof:
            return f"{self.system}, {self.speaker}" if self.system.endswith("copies of prompts") else self.family
        return "Asterisk prompts" if self.corpus.startswith("Asterisk prompts") else self.corpus


def manifest_rows(data: Path, work: Path) -> list[tuple[Path, dict]]:
    """The rows of the corpus, and of what `synthesis/make.py` and `studio.py` made, each with the folder that its file lies in."""
    spoken = work / "spoken"
    manifests = [data / "manifest.csv", *sorted(spoken.glob("*.csv"))]
    rows = []
    for manifest in manifests:
        with open(manifest, newline="") as handle:
            rows += [(manifest.parent, row) for row in csv.DictReader(handle)]
    return rows


def prepare(data: Path, work: Path) -> None:
    """Decode every FLAC once into `work/audio.npy` (int16) and `work/clips.json`."""
    work.mkdir(parents=True, exist_ok=True)
    chunks, index, start = [], [], 0
    for folder, row in manifest_rows(data, work):
        samples, rate = sf.read(folder / row["file"], dtype="int16")
        if rate != RATE or samples.ndim != 1:
            raise ValueError(f"{row['file']}: want {RATE} Hz mono, have {rate} Hz, {samples.ndim} axes")
        chunks.append(samples)
        index.append(
            dict(
                file=row["file"],
                spoof=row["label"] == "spoof",
                split=row["split"],
                fold=int(row["fold"] or -1),
                speaker_in_dev=row["speaker_in_dev"] == "1",
                system=row["system"],
                family=row["family"],
                speaker=row["speaker"],
                corpus=row["corpus"],
                licence=row["licence"],
                start=start,
                length=len(samples),
            )
        )
        start += len(samples)
    np.save(work / "audio.npy", np.concatenate(chunks))
    (work / "clips.json").write_text(json.dumps(index))
    print(f"{len(index)} clips, {start / RATE / 60:.0f} minutes -> {work}")


class Corpus:
    """All clips, with their samples read through a memory map."""

    def __init__(self, work: Path):
        self.audio = np.load(work / "audio.npy", mmap_mode="r")
        self.clips = [Clip(**row) for row in json.loads((work / "clips.json").read_text())]

    def samples(self, clip: Clip) -> np.ndarray:
        """The clip as float32 in [-1, 1)."""
        return self.audio[clip.start : clip.start + clip.length].astype(np.float32) / 32768

    def dev(self) -> list[Clip]:
        """Development clips whose licence is not share-alike."""
        return [c for c in self.clips if c.split == "dev" and not c.share_alike]

    def training(self) -> list[Clip]:
        """What may be learned from: dev, what `synthesis/make.py` said, and the prompts of `studio.py`."""
        return self.dev() + [c for c in self.clips if c.split == "spoken"]

    def check(self) -> list[Clip]:
        """Humans in studios who are never learned from, by `studio.py`."""
        return [c for c in self.clips if c.split == "check" and not c.spoof]

    def test(self) -> list[Clip]:
        """Test clips, all of them."""
        return [c for c in self.clips if c.split == "test"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=prepare.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    arguments = parser.parse_args()
    prepare(arguments.data, arguments.work)
