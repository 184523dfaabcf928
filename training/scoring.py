"""Score audio nearly as the server does: calibrated evidence and states; but whole windows alone, where the server also judges the first 2 and 3 s."""

import json
from dataclasses import dataclass
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


def windows(samples: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Start samples and [n, 64000] windows every second; what remains at the end is tiled to fill a last window.

    A recording shorter than a window is one tiled window. A remainder not yet covered by a full window starts at the
    next hop and reaches to the end.
    """
    starts = list(range(0, max(0, len(samples) - WINDOW) + 1, HOP))
    if len(samples) > WINDOW and starts[-1] + WINDOW < len(samples):
        starts.append(starts[-1] + HOP)
    return starts, np.stack([tile(samples[s : s + WINDOW]) for s in starts]).astype(np.float32)


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


def running_states(llrs: np.ndarray, at: Thresholds) -> list[str]:
    """The state after each window of a channel, all of the audio taken as speech."""
    evidence, state, out = 0.0, "undecided", []
    keep = 0.5 ** (HOP / RATE / HALF_LIFE_S)
    for count, llr in enumerate(llrs, start=1):
        evidence = evidence * keep + float(bounded(llr)) * HOP / WINDOW
        state = next_state(state, 1 / (1 + np.exp(-evidence)), count, at)
        out.append(state)
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

    def judged(self, samples: np.ndarray) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Start sample, unbounded calibrated LLR and distance of each window."""
        starts, audio = windows(samples)
        rows = np.concatenate([self.session.run(None, {"audio": audio[i : i + 8]})[0] for i in range(0, len(audio), 8)]).astype(float)
        logits, distances = (rows[:, 0], rows[:, 1]) if rows.ndim == 2 else (rows, np.zeros(len(rows)))
        return starts, self.a * logits + self.b, distances

    def window_llrs(self, samples: np.ndarray) -> tuple[list[int], np.ndarray]:
        """Start sample and LLR of each window, whatever its distance."""
        starts, llrs, _ = self.judged(samples)
        return starts, llrs

    def clip_llr(self, samples: np.ndarray) -> float:
        """The recording's LLR: bounded window LLRs, weighted by hop / window and summed, near and far alike."""
        return float(np.sum(bounded(self.window_llrs(samples)[1])) * HOP / WINDOW)

    def near(self, samples: np.ndarray) -> np.ndarray:
        """LLRs of the windows that are judged at all."""
        _, llrs, distances = self.judged(samples)
        return llrs[distances <= self.farthest]

    def states(self, samples: np.ndarray, at: Thresholds) -> list[str]:
        """The channel's state after each window that is judged; `undecided` where none is."""
        return running_states(self.near(samples), at) or ["undecided"]
