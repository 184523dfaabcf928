"""The conditions under which a detector is judged: what a call does to the audio before it is heard."""

from collections.abc import Callable

import numpy as np

from augment import opus
from telephony import telephone

LOST = np.random.default_rng(5).random(997) < 0.05
"""Which packets never arrive, over and over."""

CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"clean": lambda x: x, "mu-law 8 kHz": telephone}
"""Those that libopus serves are left out where it is missing."""
if opus.available:
    CONDITIONS["Opus 12 kbit/s"] = lambda x: opus.round_trip(x, 12_000)
    CONDITIONS["Opus 12 kbit/s, 5 % lost"] = lambda x: opus.round_trip(x, 12_000, LOST)
