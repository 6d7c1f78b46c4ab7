"""Defines recurrent cells on feature maps, with their states as explicit input and output tensors.

ConvLSTM: X. Shi et al., "Convolutional LSTM network", NeurIPS 2015, without peepholes.
ConvGRU: N. Ballas et al., "Delving deeper into convolutional networks for learning video representations", ICLR 2016.
W * [h, x] is computed as U * h + V * x, the same sum without a concatenation, which is slow in INT8 on many engines.
"""

import torch
from torch import Tensor, nn


class ConvGRU(nn.Module):
    """Implements a convolutional GRU; x and h are (N, C, H, W) with the same C.

    r, z = sigma(W * [h, x]); candidate = tanh(W * [r . h, x]); h = (1 - z) . h + z . candidate.
    """

    n_states = 1

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.of_input = nn.Conv2d(channels, 3 * channels, 3, padding=1)  # for r, z and the candidate
        self.of_hidden = nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False)  # for r and z
        self.of_kept = nn.Conv2d(channels, channels, 3, padding=1, bias=False)  # for the candidate

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        """Return a tuple with the new hidden state."""
        x_reset, x_update, x_candidate = self.of_input(x).split(self.channels, dim=1)
        h_reset, h_update = self.of_hidden(h).split(self.channels, dim=1)
        reset, update = torch.sigmoid(x_reset + h_reset), torch.sigmoid(x_update + h_update)
        candidate = torch.tanh(x_candidate + self.of_kept(reset * h))
        return ((1 - update) * h + update * candidate,)


class ConvLSTM(nn.Module):
    """Implements a convolutional LSTM; x, h and c are (N, C, H, W) with the same C.

    f, i, o = sigma(W * [h, x] + b); candidate = tanh(W * [h, x] + b); c = f . c + i . candidate; h = o . tanh(c).
    """

    n_states = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.of_input = nn.Conv2d(channels, 4 * channels, 3, padding=1)  # for f, i, o and the candidate
        self.of_hidden = nn.Conv2d(channels, 4 * channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """Return the new hidden and cell states."""
        forget, write, show, candidate = (self.of_input(x) + self.of_hidden(h)).split(self.channels, dim=1)
        c = torch.sigmoid(forget) * c + torch.sigmoid(write) * torch.tanh(candidate)
        return torch.sigmoid(show) * torch.tanh(c), c
