"""The conditions under which a detector is judged: what a call does to the audio before it is heard."""

from collections.abc import Callable

import numpy as np

from augment import opus
from telephony import Opus, telephone

LOST = np.random.default_rng(5).random(997) < 0.05
"""Which packets never arrive, over and over."""


def with_holes(samples: np.ndarray) -> np.ndarray:
    """Through Opus at 12 kbit/s, silent where packets are lost: the server conceals nothing."""
    heard = opus.round_trip(samples, 12_000, LOST)
    heard[np.resize(LOST, -(-len(heard) // Opus.FRAME)).repeat(Opus.FRAME)[: len(heard)]] = 0
    return heard


CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"clean": lambda x: x, "mu-law 8 kHz": telephone}
"""Those that libopus serves are left out where it is missing."""
if opus.available:
    CONDITIONS["Opus 12 kbit/s"] = lambda x: opus.round_trip(x, 12_000)
    CONDITIONS["Opus 12 kbit/s, 5 % lost"] = with_holes
