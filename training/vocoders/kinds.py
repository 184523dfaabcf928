"""The kinds by name. Each maps audio [B, N] to its copy [B, N], N a multiple of `MULTIPLE`."""

from collections.abc import Callable

from torch import nn

from vocoders.codec import Codec
from vocoders.frames import Direct, Flow
from vocoders.generators import Source, Upsampler

MULTIPLE = 6_400
"""A multiple of every kind's hop."""

KINDS: dict[str, Callable[[], nn.Module]] = {
    "upsampler": lambda: Upsampler((8, 8, 4), 192, 1024, snake=False),
    "snake": lambda: Upsampler((5, 5, 4, 2), 160, 800, snake=True),
    "source": Source,
    "direct": Direct,
    "flow": Flow,
    "codec": Codec,
}

STEPS = {"upsampler": 3_200, "snake": 1_200, "source": 1_300, "direct": 5_000, "flow": 8_000, "codec": 1_600}
"""How long each is trained by default: five to eleven minutes of one idle core."""
