"""What a training and an export ask of a network."""

from torch import Tensor, nn


class VideoNetwork(nn.Module):
    """logits, *states = network(x, *states); encoder: the part that may learn at a rate of its own, perhaps empty."""

    encoder: nn.ModuleList

    def clip(self, x: Tensor) -> Tensor:
        """Logits (T, N, K, h, w) of clips x (T, N, C, H, W), from the memory of nothing."""
        raise NotImplementedError

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """The memory of nothing, for n clips of (H, W) frames; empty for a network without a memory."""
        raise NotImplementedError
