"""A network that looks twice."""

import torch
from torch import Tensor, nn


class Mirrored(nn.Module):
    """A network that sees each frame and its mirror image, and answers with the mean of both logits: twice the work.

    What few pictures taught varies with how they lie; the mean of two views varies less (test-time augmentation, of masks:
    G. Wang et al., Neurocomputing 338, 2019). Each view has a memory of its own: states of 2n clips.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Logits, *states of frames x (N, C, H, W)."""
        logits, *states = self.network(torch.cat([x, x.flip(3)]), *states)
        straight, mirrored = logits.chunk(2)
        return (straight + mirrored.flip(3)) / 2, *states

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """The memory of nothing, for n clips of (H, W) frames; empty for a network without a memory."""
        tell = getattr(self.network, "initial_states", None)
        return tell(2 * n, size) if tell else ()
