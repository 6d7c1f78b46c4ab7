"""Implements the memories of a network: recurrent cells at a level of the decoder, and the last mask beside the picture.

The last mask: F. Perazzi et al., "Learning video object segmentation from static images" (MaskTrack), CVPR 2017.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

States = tuple[Tensor, ...]


class CellMemory(nn.Module):
    """Adds a recurrent cell's output to the features of its level, so that zero states add nothing of the past.

    cell: a class of `MEMORIES`, built with its channels; cell(x, *states) returns its new states, the first of them its output.
    slim: the cell has half the channels, between 1x1 convolutions, for a branch beside a wide path.
    """

    def __init__(self, cell: Any, width: int, slim: bool) -> None:
        super().__init__()
        self.channels = width // 2 if slim else width
        self.inward = nn.Conv2d(width, self.channels, 1) if slim else nn.Identity()
        self.cell = cell(self.channels)
        self.outward = nn.Conv2d(self.channels, width, 1, bias=False) if slim else nn.Identity()
        if isinstance(self.outward, nn.Conv2d):
            nn.init.uniform_(self.outward.weight, -0.02, 0.02)  # hardly changes a network that was trained without it

    def forward(self, x: Tensor, states: States, length: int) -> tuple[Tensor, States]:
        """Return the features with the memory added, and the last states, for x of `length` frames (T * N, C, h, w)."""
        hidden, states = self._unroll(self.inward(x), states, length)
        return x + self.outward(hidden), states

    @property
    def n_states(self) -> int:
        """Return the number of its states."""
        count: int = self.cell.n_states
        return count

    def initial_states(self, n: int, height: int, width: int) -> States:
        """Return states of zeros for n clips, at the size of its level."""
        return tuple(torch.zeros(n, self.channels, height, width) for _ in range(self.n_states))

    def _unroll(self, x: Tensor, states: States, length: int) -> tuple[Tensor, States]:
        """Run the cell over `length` frames; return its outputs, shaped like x, and the last states."""
        if length == 1:
            states = self.cell(x, *states)
            return states[0], states
        hidden = []
        for frame in x.chunk(length):
            states = self.cell(frame, *states)
            hidden.append(states[0])
        return torch.cat(hidden), states


class LastMask(nn.Module):
    """Adds the probabilities of the last frame's mask to the first level of the encoder, as a second input of the network.

    It is added behind the first level, at the resolution of the logits, where MaskTrack has it as further input channels: this
    saves a concatenation at full resolution. A mask of zeros adds nothing. n_logits: channels of the logits. features: channels
    of the encoder's first level.
    """

    n_states: ClassVar[int] = 1
    of_mask: ClassVar[bool] = True
    """Whether the state is made of the logits instead of features."""

    def __init__(self, n_logits: int, features: int) -> None:
        super().__init__()
        self.channels = max(1, n_logits - 1)
        self.inward = nn.Conv2d(self.channels, features, 3, padding=1, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the features (N, C, h, w) of the first level with the mask (N, K, h, w) added."""
        added: Tensor = self.inward(mask)
        return x + added

    def remember(self, logits: Tensor) -> States:
        """Return the probabilities of the classes, without the background, as the next state."""
        return (torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1)[:, 1:],)

    def initial_states(self, n: int, height: int, width: int) -> States:
        """Return states of zeros for n clips, at the size of the logits."""
        return (torch.zeros(n, self.channels, height, width),)
