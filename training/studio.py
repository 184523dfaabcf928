"""Humans in studios: the wide-band prompts of telephone systems that Debian packages, as rows beside the corpus.

    apt-get install asterisk-core-sounds-{it,ru,en,es,fr}-g722

The Italian and the Russian voice are under CC BY 3.0 and are learned from, beside copies of some of their prompts by the given
HiFi-GAN, so that neither the voice nor the studio tells the classes apart. The others are share-alike: they are never learned
from, and say how often a studio's voice that nobody has heard is taken for a machine (split `check`).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from synthesis.make import COLUMNS, RATE, write_like_the_corpus, write_manifest
from vocoders.copies import Given
from telephony import G722

SHORTEST_BYTES = 12_000
"""1.5 s of G.722: shorter prompts are single words."""


@dataclass(frozen=True)
class Voice:
    """A folder of prompts, who speaks, and under which terms."""

    folder: str
    language: str
    licence: str

    @property
    def split(self) -> str:
        return "check" if "BY-SA" in self.licence else "spoken"


VOICES = (
    Voice("it_IT_m_Carlo", "Italian", "CC BY 3.0, Carlo Flora"),
    Voice("ru_RU_f_IvrvoiceRU", "Russian", "CC BY 3.0, Maxim Topal"),
    Voice("en_US_f_Allison", "English", "CC BY-SA 3.0, Allison Smith"),
    Voice("es_MX_f_Allison", "Spanish", "CC BY-SA 3.0, Allison Smith"),
    Voice("fr_CA_f_June", "French", "CC BY-SA 3.0, June Wallack"),
)


def row(file: str, label: str, voice: Voice) -> dict:
    """A line of the manifest; the copies leave with fold 0, the HiFi-GANs."""
    copied = label == "spoof"
    who = ("HiFi-GAN v2, copies of prompts", "HiFi-GAN") if copied else ("", "")
    corpus = "" if copied else f"Asterisk prompts, {voice.language}"
    values = (f"clips/{file}", label, voice.split, 0 if copied else "", 0, *who, voice.folder, corpus, voice.licence)
    return dict(zip(COLUMNS, values, strict=True))


def main(options: argparse.Namespace) -> None:
    folder, rows, codec = options.work / "spoken", [], G722()
    vocoder = Given(options.data / "vocoders" / "hifigan-v2-universal.onnx")
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    for voice in VOICES:
        files = sorted(f for f in (options.sounds / voice.folder).rglob("*.g722") if f.stat().st_size > SHORTEST_BYTES)
        kept = sorted(np.random.default_rng(7).permutation(len(files))[: options.each])
        copied = kept[: options.copied] if voice.split == "spoken" else []
        for i in kept:
            name = f"{voice.folder}_{i:04}.flac"
            write_like_the_corpus(folder / "clips" / name, lambda f=files[i]: (codec.decode(f.read_bytes()), RATE), np.random.default_rng((7, i)))
            rows.append(row(name, "bonafide", voice))
        for i in copied:
            name = f"{voice.folder}_{i:04}_copy.flac"
            human = folder / "clips" / f"{voice.folder}_{i:04}.flac"
            write_like_the_corpus(folder / "clips" / name, lambda h=human: (vocoder(sf.read(h)[0]), RATE), np.random.default_rng((8, i)))
            rows.append(row(name, "spoof", voice))
        print(f"{voice.folder}: {len(kept)} clips, {len(copied)} copies", flush=True)
    write_manifest(folder / "studio.csv", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sounds", type=Path, default=Path("/usr/share/asterisk/sounds"))
    parser.add_argument("--each", type=int, default=120, help="clips of each voice")
    parser.add_argument("--copied", type=int, default=70, help="of them, copies of the voices that are learned from")
    main(parser.parse_args())
