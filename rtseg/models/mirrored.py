"""Implements test-time augmentation by horizontal flipping."""

import torch
from torch import Tensor, nn


class FlipAveraged(nn.Module):
    """Runs a network on each frame and its mirror image and averages both logits, at twice the cost.

    A network trained on few pictures depends on their orientation; the mean of both views varies less (test-time augmentation
    of segmentation: G. Wang et al., Neurocomputing 338, 2019). Each view has its own states: those of 2n clips for n.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for name in ("state_roles", "state_is_returned"):  # what the network says about its states
            if hasattr(network, name):
                setattr(self, name, getattr(network, name))

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return (logits, *states) of frames x (N, C, H, W)."""
        logits, *states = self.network(torch.cat([x, x.flip(3)]), *states)
        straight, mirrored = logits.chunk(2)
        return (straight + mirrored.flip(3)) / 2, *states

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Return the initial states of both views for n clips of (H, W) frames; empty for a network without states."""
        make_states = getattr(self.network, "initial_states", None)
        return make_states(2 * n, size) if make_states else ()
