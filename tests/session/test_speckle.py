"""Test the speckle filter before the network: kernels by name, with their strength."""

import numpy as np
import pytest

from rtseg import kernels
from rtseg.errors import ConfigError
from rtseg.session.speckle import FILTERS, SpeckleFilter

SPECKLED = np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8)


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_smooths_as_its_kernel_does_and_more_with_more_of_it(name):
    kind = FILTERS[name]
    usual = SpeckleFilter(name).apply(SPECKLED)
    np.testing.assert_array_equal(usual, kind.kernel(SPECKLED))
    ends = [SpeckleFilter(name, strength).apply(SPECKLED).std() for strength in (kind.minimum, kind.maximum)]
    weak, strong = ends[::-1] if name == "frost" else ends
    assert strong < usual.std() <= weak + 1e-9
    assert strong < SPECKLED.std()


@pytest.mark.parametrize("name", FILTERS)
def test_every_step_of_a_slider_is_a_strength(name):
    kind = FILTERS[name]
    for strength in np.arange(kind.minimum, kind.maximum + kind.step / 2, kind.step):
        SpeckleFilter(name, float(strength))


def test_it_is_parsed():
    assert SpeckleFilter.parse("srad") == SpeckleFilter("srad")
    assert SpeckleFilter.parse("lee:0.3") == SpeckleFilter("lee", 0.3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blur", "no speckle filter 'blur': give one of median, lee"),
        ("lee:much", "not 'much': give a number"),
        ("lee:", "not '': give a number"),
        ("lee:nan", "coefficient of variation is nan"),
        ("median:4", "give one of 3, 5, 7"),
        ("srad:2.5", "whole number"),
        ("median:inf", "give one of 3, 5, 7"),
    ],
)
def test_what_is_no_filter_is_told(text, message):
    with pytest.raises(ConfigError, match=message):
        SpeckleFilter.parse(text)


def test_it_sees_the_sector_in_the_network_s_size():
    rgb = np.zeros((60, 80, 3), np.uint8)
    rgb[20:, 30:] = SPECKLED[:, :50, None]
    view = SpeckleFilter("median", 3).view(rgb, (20, 30, 40, 50), (20, 25))
    assert view.shape == (20, 25)
    halved = SPECKLED[:, :50].reshape(20, 2, 25, 2).mean((1, 3))
    expected = kernels.median(np.round(halved).astype(np.uint8), 3)
    assert np.abs(view.astype(int) - expected).max() <= 1


def test_what_is_small_is_not_enlarged():
    median = SpeckleFilter("median", 3)
    np.testing.assert_array_equal(median.view(SPECKLED, (0, 0, 40, 56), (100, 80)), median.apply(SPECKLED))
