"""Say sentences with every engine and write them like the corpus: `spoken/clips/*.flac` and `spoken/manifest.csv` below the work folder."""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

from synthesis.engines import Engine, Hibari, Kokoro, espeak, flite

RATE = 16_000
LONGEST = 5 * RATE
COLUMNS = ["file", "label", "split", "fold", "speaker_in_dev", "system", "family", "speaker", "corpus", "licence"]


def sentences(language: str) -> list[str]:
    """What is there to say in a language; English where it has no list."""
    folder = Path(__file__).parent / "sentences"
    file = folder / f"{language[:2]}.txt"
    return (file if file.exists() else folder / "en.txt").read_text().splitlines()


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without what is 40 dB under the peak at either end."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def like_the_corpus(samples: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """16 kHz, no mean, no silent ends, at most 5 s, -30 to -19 dBFS, 5 ms fades, one bit of dither: as every corpus clip."""
    common = np.gcd(rate, RATE)
    samples = resample_poly(samples, RATE // common, rate // common)
    samples = trimmed(samples - samples.mean())
    start = rng.integers(0, max(1, len(samples) - LONGEST + 1))
    samples = samples[start : start + LONGEST]
    samples *= 10 ** (rng.uniform(-30, -19) / 20) / np.sqrt(np.mean(samples**2))
    fade = np.linspace(0, 1, RATE // 200)
    samples[: len(fade)] *= fade
    samples[-len(fade) :] *= fade[::-1]
    return np.clip(samples + rng.triangular(-1, 0, 1, len(samples)) / 32768, -1, 1 - 1 / 32768)


def write_like_the_corpus(file: Path, heard: Callable[[], tuple[np.ndarray, int]], rng: np.random.Generator) -> None:
    """Samples and their rate as a clip; one that is there is kept."""
    if not file.exists():
        sf.write(file, like_the_corpus(*heard(), rng), RATE, subtype="PCM_16")


def write_manifest(file: Path, rows: list[dict]) -> None:
    """Rows with the corpus's columns, where `clips.py` finds them."""
    with open(file, "w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def engines(options: argparse.Namespace) -> list[tuple[Engine, int]]:
    """Each engine with the number of clips it makes."""
    made = {
        "kokoro": lambda: (Kokoro(options.voices, options.work / "spoken"), options.kokoro),
        "hibari": lambda: (Hibari(), 60),
        "espeak": lambda: (espeak(), 48),
        "flite": lambda: (flite(), 24),
    }
    return [made[name]() for name in options.engines]


def speak(engine: Engine, count: int, folder: Path, seed: int) -> list[dict]:
    """`count` clips, voices in turn, sentences and speeds at random; clips that are there are kept."""
    voices, rows, started = engine.voices(), [], time.time()
    for i in range(count):
        rng = np.random.default_rng((seed, i))
        voice = voices[i % len(voices)]
        texts = sentences(engine.language(voice))
        text, speed = texts[rng.integers(len(texts))], float(rng.uniform(0.85, 1.2))
        file = folder / "clips" / f"{engine.system}_{i:04}.flac"
        write_like_the_corpus(file, lambda t=text, v=voice, s=speed: engine.say(t, v, s), rng)
        values = (f"clips/{file.name}", "spoof", "spoken", engine.fold, 0, engine.system, engine.family, voice, "", engine.licence)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    print(f"{engine.system}: {count} clips, {time.time() - started:.0f} s", flush=True)
    return rows


def main(options: argparse.Namespace) -> None:
    folder = options.work / "spoken"
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    rows = [row for engine, count in engines(options) for row in speak(engine, count, folder, options.seed)]
    write_manifest(folder / f"{'-'.join(options.engines)}.csv", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("voices", type=Path, help="Kokoro's voices (*.bin), from the source package kokoro 0.8.4")
    parser.add_argument("--engines", nargs="+", default=["kokoro", "hibari", "espeak", "flite"])
    parser.add_argument("--kokoro", type=int, default=160, help="clips of Kokoro, the slow one")
    parser.add_argument("--seed", type=int, default=5)
    main(parser.parse_args())
