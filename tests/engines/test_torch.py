"""Tests the torch engine and the loading of TorchScript files."""

import warnings

import networks
import numpy as np
import pytest
import torch
from torch import nn

from rtseg.engines.base import StateSpec
from rtseg.engines.torch import TorchEngine, load_script
from rtseg.errors import EngineError, ModelError

X = np.ones((1, 1, *networks.SIZE), np.float32)


class Sum(nn.Module):
    """Sums all its inputs in the state."""

    def forward(self, x, h):
        return x + h, x + h


@pytest.fixture
def engine():
    state = StateSpec("h_in", "h_out", (1, 1, *networks.SIZE))
    return TorchEngine(Sum(), networks.spec(states=(state,)))


def test_memory_carries_on_from_nothing(engine):
    state = engine.initial_state()
    for step in range(1, 4):
        logits, state = engine.infer(X, state)
        np.testing.assert_array_equal(logits, step * X)


def test_a_lone_tensor_is_logits():
    logits, state = TorchEngine(nn.Conv2d(1, 2, 1), networks.spec(states=())).infer(X, ())
    assert (logits.shape, state) == ((1, 2, *networks.SIZE), ())


def test_dropout_and_batchnorm_are_at_rest():
    engine = TorchEngine(nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(1)), networks.spec(states=()))
    np.testing.assert_allclose(engine.infer(X, ())[0], X, atol=1e-4)


def test_pixels_pass_unchanged(engine):
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(engine.download(engine.upload(image)), image)


@pytest.mark.parametrize("wrong", [np.zeros((1, 3, 8, 8), np.float32), X.astype(np.float64)])
def test_what_does_not_fit_is_refused(wrong):
    engine = TorchEngine(nn.Conv2d(1, 2, 1), networks.spec(states=()))
    with pytest.raises(EngineError, match=r"torch failed on 'tiny' .*: check its --size"):
        engine.infer(wrong, ())


def test_closed_twice_and_used_after(engine):
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="is closed: load it again"):
        engine.infer(X, ())


def test_threads_are_torchs():
    before = torch.get_num_threads()
    TorchEngine(Sum(), networks.spec(), threads=1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_a_script_is_read(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(nn.Sequential(nn.ReLU())).save(tmp_path / "net.pt")
    assert torch.equal(load_script(tmp_path / "net.pt")(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_what_is_no_script(tmp_path, content):
    if content is not None:
        (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"net\.pt is no TorchScript network .*save it with torch\.jit\.save"):
        load_script(tmp_path / "net.pt")
