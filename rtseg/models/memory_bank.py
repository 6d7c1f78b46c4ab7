"""Implements a memory of keys and values: one pinned slot and a few recent ones, read by attention between positions.

Space-time memory: S. W. Oh et al., "Video object segmentation using space-time memory networks", ICCV 2019; a similarity by the
squared distance: H. K. Cheng et al., "Rethinking space-time networks with improved memory coverage" (STCN), NeurIPS 2021.
"""

import torch
from torch import Tensor, nn

_EMPTY = -1e4  # similarity of a slot that holds nothing


class MemoryBank(nn.Module):
    """Reads slots of keys and values, and shifts new ones in.

    slots: number of recent slots beside the pinned one. key_channels, value_channels: of each slot.
    """

    def __init__(self, slots: int, key_channels: int, value_channels: int) -> None:
        super().__init__()
        self.slots, self.key_channels, self.value_channels = slots, key_channels, value_channels

    def read(self, query: Tensor, keys: Tensor, values: Tensor, filled: Tensor) -> Tensor:
        """Return the mean of the values, weighted by the similarity of their keys with the query.

        query: (N, K, h, w). keys: (N, S * K, h, w). values: (N, S * V, h, w). filled: (N, S, 1, 1), 0 for an empty slot.
        Returns (N, V, h, w), zeros where all slots are empty.
        """
        with torch.autocast(query.device.type, enabled=False):  # a difference of large numbers needs float32
            return self._read(query.float(), keys.float(), values.float(), filled)

    def _read(self, query: Tensor, keys: Tensor, values: Tensor, filled: Tensor) -> Tensor:
        n, _, height, width = values.shape
        places = height * width
        known = keys.reshape(n, -1, self.key_channels, places).transpose(2, 3).flatten(1, 2)  # (N, S * hw, K)
        asked = query.flatten(2)  # (N, K, hw)
        scores = (2 * known @ asked - known.square().sum(2, keepdim=True)) / self.key_channels**0.5
        gate = filled.flatten(1).unsqueeze(2).expand(-1, -1, places).flatten(1).unsqueeze(2)
        shares = torch.softmax(scores + (1 - gate) * _EMPTY, 1)
        held = values.reshape(n, -1, self.value_channels, places).transpose(1, 2).flatten(2)  # (N, V, S * hw)
        found: Tensor = (held @ shares).reshape(n, self.value_channels, height, width)
        return found * filled.amax(1, keepdim=True)

    def shifted(self, held: Tensor, new: Tensor, written: Tensor) -> Tensor:
        """Return the recent slots (N, S * C, h, w) with `new` (N, C, h, w) put first where `written` (N, 1, 1, 1) is 1."""
        moved = torch.cat([new, held[:, : held.shape[1] - new.shape[1]]], 1)
        return written * moved + (1 - written) * held
