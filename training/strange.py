"""What the detector makes of sounds that are not speech as it knows it: how many windows it declines, and what it says of the rest.

The server measures speech first and seldom asks about such sounds; here every window is asked about.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

from clips import Corpus
from judge import windows
from scoring import RATE, WINDOW, Scorer

sys.path.insert(0, str(Path(__file__).parent / "speech"))
import signals  # noqa: E402

EACH = 40
"""Windows of a kind."""


def stretches(samples: np.ndarray, count: int) -> list[np.ndarray]:
    """Up to `count` windows, evenly spaced."""
    starts = np.linspace(0, len(samples) - WINDOW, count).astype(int)
    return [samples[s : s + WINDOW] for s in starts] if len(samples) >= WINDOW else []


def hold_music(folder: Path | None) -> list[np.ndarray]:
    """Windows of the recordings in a folder, mixed down and brought to 16 kHz."""
    out = []
    for file in sorted(folder.glob("*.wav")) if folder else []:
        samples, rate = sf.read(file, always_2d=True, dtype="float32")
        common = np.gcd(rate, RATE)
        out += stretches(resample_poly(samples.mean(1), RATE // common, rate // common).astype(np.float32), EACH // 4)
    return out


def kinds(corpus: Corpus, music: Path | None) -> dict[str, list[np.ndarray]]:
    """Windows by kind of sound, each at some ordinary level."""
    rng = np.random.default_rng(23)
    loud = lambda x: (0.05 * x / (np.sqrt(np.mean(x**2)) + 1e-9)).astype(np.float32)  # noqa: E731
    make = lambda f: [loud(f(rng, WINDOW)) for _ in range(EACH)]  # noqa: E731
    test = corpus.test()
    human, machine = ([corpus.samples(c) for c in test if c.spoof == s] for s in (False, True))
    clipped = lambda many: [np.clip(40 * loud(x), -0.9, 0.9) for x in many[:EACH]]  # noqa: E731
    return {
        "noise": make(lambda r, n: signals.coloured(r, n)),
        "tones": make(signals.tones),
        "made music": make(signals.music),
        "hold music": [loud(x) for x in hold_music(music)],
        "human speech, heavily clipped": clipped(human),
        "machine speech, heavily clipped": clipped(machine),
        "human speech": human,
        "machine speech": machine,
    }


def row(scorer: Scorer, sounds: list[np.ndarray]) -> dict:
    """Shares of a kind's windows: declined, and judged to be one or the other at even odds."""
    llrs, distances = scorer.judged(np.concatenate([windows(x) for x in sounds]))
    near = distances <= scorer.farthest
    share = lambda mask: round(float(np.mean(mask)), 4)  # noqa: E731
    return {"windows": len(llrs), "declined": share(~near), "spoof": share(near & (llrs >= 0)), "bonafide": share(near & (llrs < 0)),
            "median_distance": round(float(np.median(distances)), 2)}


def table(corpus: Corpus, scorer: Scorer, music: Path | None) -> dict[str, dict]:
    """A row for each kind of sound that there is."""
    return {name: row(scorer, sounds) for name, sounds in kinds(corpus, music).items() if sounds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--music", type=Path, help="a folder of WAV files without speech, such as Debian's asterisk-moh-opsound-wav")
    options = parser.parse_args()
    print(json.dumps(table(Corpus(options.work), Scorer.of(options.pack), options.music), indent=1))
