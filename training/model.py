"""The networks by name, and how big one is."""

import torch
from torch import nn

from networks.cepstral import Cepstra
from networks.convolutional import LogSpec, Phase, RawFilters, TwoRates
from networks.guided import Guided, Hearing

WINDOW = 64_000

NETWORKS: dict[str, type[nn.Module]] = {
    "logspec": LogSpec,
    "cepstra": Cepstra,
    "raw": RawFilters,
    "phase": Phase,
    "two-rates": TwoRates,
    "guided": Guided,
}
"""Those that learn from the classes."""


def build(name: str) -> nn.Module:
    """A network with fresh weights: one of NETWORKS, or `hearing`, which only learns to hear."""
    return {**NETWORKS, "hearing": Hearing}[name]()


def parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in model.parameters())


@torch.no_grad()
def multiplications(model: nn.Module) -> int:
    """Multiply-adds of one window in convolutions, dense layers and the matrix products of the front."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, WINDOW))
    return counter.get_total_flops() // 2
