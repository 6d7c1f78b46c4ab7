"""Tests the recurrent cells against a direct evaluation of their equations."""

import numpy as np
import pytest
import torch

from rtseg.models.cells import ConvGRU, ConvLSTM


def sigma(x):
    return 1 / (1 + np.exp(-x))


def convolve(weight, x):
    """Return the zero-padded cross-correlation W * x of `weight` (O, I, 3, 3) with x (I, H, W)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    height, width = x.shape[1:]
    shifted = [
        np.einsum("oi,ihw->ohw", weight[:, :, row, column], padded[:, row : row + height, column : column + width])
        for row in range(3)
        for column in range(3)
    ]
    return np.sum(shifted, axis=0)


def parameters(cell):
    return {name: value.detach().double().numpy() for name, value in cell.named_parameters()}


@pytest.fixture
def drawn():
    torch.manual_seed(0)
    return [torch.randn(1, 3, 5, 4) for _ in range(3)]


def test_gru_follows_its_equations(drawn):
    cell = ConvGRU(3)
    x, h = (value[0].double().numpy() for value in drawn[:2])
    w = parameters(cell)
    of_x = convolve(w["of_input.weight"], x) + w["of_input.bias"][:, None, None]
    of_h = convolve(w["of_hidden.weight"], h)
    r, z = sigma(of_x[:3] + of_h[:3]), sigma(of_x[3:6] + of_h[3:])
    candidate = np.tanh(of_x[6:] + convolve(w["of_kept.weight"], r * h))
    (found,) = cell(*drawn[:2])
    np.testing.assert_allclose(found[0].detach().numpy(), (1 - z) * h + z * candidate, atol=1e-6)


def test_lstm_follows_its_equations(drawn):
    cell = ConvLSTM(3)
    x, h, c = (value[0].double().numpy() for value in drawn)
    w = parameters(cell)
    gates = convolve(w["of_input.weight"], x) + convolve(w["of_hidden.weight"], h) + w["of_input.bias"][:, None, None]
    f, i, o = sigma(gates[:3]), sigma(gates[3:6]), sigma(gates[6:9])
    kept = f * c + i * np.tanh(gates[9:])
    hidden, cell_state = cell(*drawn)
    np.testing.assert_allclose(cell_state[0].detach().numpy(), kept, atol=1e-6)
    np.testing.assert_allclose(hidden[0].detach().numpy(), o * np.tanh(kept), atol=1e-6)


@pytest.mark.parametrize("kind", [ConvGRU, ConvLSTM])
def test_the_hidden_state_stays_within_one(kind, drawn):
    cell, states = kind(3), [torch.zeros(1, 3, 5, 4) for _ in range(kind.n_states)]
    for _ in range(50):
        states = cell(100 * drawn[0], *states)
    assert states[0].abs().max() <= 1
