"""Score audio as the server does, all of it taken as speech: windows, calibrated evidence and states."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime as ort

from augment import tile

RATE = 16_000
WINDOW = 64_000
HOP = 16_000
BOUND = 4.0
HALF_LIFE_S = 20.0
MIN_SPEECH = 2 * RATE


def session(model: Path) -> ort.InferenceSession:
    """ONNX Runtime on one CPU thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class Cut:
    """The stretch of a recording that one window judges, in samples, and how many of them no earlier window held."""

    start: int
    end: int
    fresh: int

    @property
    def weight(self) -> float:
        """What its evidence counts: hop / window at most, so that windows that overlap do not count twice."""
        return min(HOP, self.fresh) / WINDOW


def cuts(length: int) -> list[Cut]:
    """What the server makes of a recording: a window at 2 s and every second from there, 4 s long once there are 4 s, and one at the end."""
    ends = [*range(MIN_SPEECH, length, HOP), length]
    return [Cut(max(0, end - WINDOW), end, end - before) for before, end in pairwise([0, *ends])]


def filled(samples: np.ndarray, cut: list[Cut]) -> np.ndarray:
    """[n, 64000]: each stretch, repeated until it fills a window."""
    return np.stack([tile(samples[c.start : c.end]) for c in cut]).astype(np.float32)


def bounded(llr: np.ndarray) -> np.ndarray:
    """What one window may say: BOUND * tanh(llr / BOUND)."""
    return BOUND * np.tanh(np.asarray(llr) / BOUND)


@dataclass(frozen=True)
class Thresholds:
    """Probabilities at which a channel enters and leaves its states."""

    suspect: float = 0.8
    spoof: float = 0.95
    bonafide: float = 0.2
    suspect_exit: float = 0.5
    spoof_exit: float = 0.8


def next_state(state: str, p: float, count: int, at: Thresholds) -> str:
    """The state machine of a channel; `spoof` needs two windows."""
    if p >= at.spoof and count >= 2 or state == "spoof" and p >= at.spoof_exit:
        return "spoof"
    if p >= at.suspect or state in ("spoof", "suspect") and p >= at.suspect_exit:
        return "suspect"
    return "bonafide" if p <= at.bonafide else "undecided"


@dataclass(frozen=True)
class Heard:
    """What a detector said of a recording: of each stretch its unbounded LLR, and whether it would judge it."""

    cuts: list[Cut]
    llrs: np.ndarray
    near: np.ndarray

    @property
    def llr(self) -> float:
        """The recording's: bounded, weighed and summed, near and far alike."""
        return float(np.sum(bounded(self.llrs) * [c.weight for c in self.cuts]))

    def states(self, at: Thresholds) -> list[str]:
        """The channel's state after each window."""
        return [state for _, state in self.run(at)]

    def run(self, at: Thresholds) -> list[tuple[float, str]]:
        """The channel's evidence and state after each window.

        Evidence halves every `HALF_LIFE_S` of speech, within a window's fresh speech as on a steady stream; a stretch that is
        too short or not judged only lets it fade.
        """
        evidence, state, count, out = 0.0, "undecided", 0, []
        for cut, llr, near in zip(self.cuts, bounded(self.llrs), self.near, strict=True):
            halvings = cut.fresh / RATE / HALF_LIFE_S
            kept = 0.5**halvings
            evidence *= kept
            if near and cut.end - cut.start >= MIN_SPEECH:
                evidence += cut.weight * (1 - kept) / (halvings * np.log(2)) * float(llr)
                count += 1
                state = next_state(state, 1 / (1 + np.exp(-evidence)), count, at)
            out.append((evidence, state))
        return out


@dataclass
class Scorer:
    """A pack with its calibration, llr = a * logit + b, and the distance beyond which it does not judge."""

    session: ort.InferenceSession
    a: float
    b: float
    farthest: float

    @staticmethod
    def of(pack: Path) -> "Scorer":
        """A pack's folder, opened; one whose output is a logit alone judges everything."""
        manifest = json.loads((pack / "model.json").read_text())
        line = manifest["calibration"]
        return Scorer(session(pack / "model.onnx"), line["a"], line["b"], manifest["output"].get("farthest", np.inf))

    def judged(self, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unbounded calibrated LLRs [n] and distances [n] of windows [n, 64000]."""
        rows = np.concatenate([self.session.run(None, {"audio": audio[i : i + 8]})[0] for i in range(0, len(audio), 8)]).astype(float)
        logits, distances = (rows[:, 0], rows[:, 1]) if rows.ndim == 2 else (rows, np.zeros(len(rows)))
        return self.a * logits + self.b, distances

    def hear(self, samples: np.ndarray) -> Heard:
        """A recording, cut as the server cuts it."""
        stretches = cuts(len(samples))
        llrs, distances = self.judged(filled(samples, stretches))
        return Heard(stretches, llrs, distances <= self.farthest)
