"""Defines the interface of networks for training and export."""

from torch import Tensor, nn


class VideoNetwork(nn.Module):
    """Defines a network on video: logits, *states = network(x, *states)."""

    encoder: nn.ModuleList  # part with a separate learning rate; may be empty

    def clip(self, x: Tensor) -> Tensor:
        """Return the logits (T, N, K, h, w) of clips x (T, N, C, H, W), from the initial states."""
        raise NotImplementedError

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Return the initial states for n clips of (H, W) frames; empty for a network without states."""
        raise NotImplementedError
