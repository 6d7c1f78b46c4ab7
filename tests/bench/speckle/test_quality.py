"""Tests the quality metrics of speckle filters against hand-computed values and MONAI."""

import math

import numpy as np
import pytest

from rtseg.bench.speckle import speckle_phantom
from rtseg.bench.speckle.quality import cnr, enl, epi, psnr, ssi, ssim
from rtseg.errors import ImageError

LEFT = np.arange(8) < 4
EVERYWHERE = np.ones((8, 8), bool)


def checkers(low: int, high: int, side: int = 8) -> np.ndarray:
    return np.where(np.indices((side, side)).sum(0) % 2, high, low).astype(np.uint8)


def halves(left: int, right: int) -> np.ndarray:
    return np.where(LEFT, left, right).astype(np.uint8) * np.ones((8, 1), np.uint8)


def noise(seed: int, side: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


def test_looks_are_the_squared_mean_by_the_variance():
    assert enl(checkers(90, 110), EVERYWHERE) == pytest.approx(100**2 / 10**2)
    assert enl(checkers(0, 110), checkers(0, 1) > 0) == math.inf


def test_contrast_counts_in_deviations_of_both_sides():
    image = np.where(LEFT, checkers(47, 53), checkers(96, 104)).astype(np.uint8)
    left = np.broadcast_to(LEFT, (8, 8))
    assert cnr(image, left, ~left) == pytest.approx(50 / 5)  # standard deviations 3 and 4
    assert cnr(halves(10, 20), left, ~left) == math.inf
    assert cnr(halves(10, 10), left, ~left) == 0


def test_suppression_does_not_mistake_darker_for_smoother():
    original = checkers(80, 120)
    assert ssi(original, checkers(90, 110), EVERYWHERE) == pytest.approx(0.5)
    assert ssi(original, checkers(40, 60), EVERYWHERE) == pytest.approx(1)
    assert ssi(original, checkers(60, 140), EVERYWHERE) == pytest.approx(2)
    for first, second in [(halves(5, 5), original), (original, halves(0, 0)), (halves(0, 0), original)]:
        assert math.isnan(ssi(first, second, EVERYWHERE))


def test_edges_are_preserved_moved_lost_or_turned_round():
    edge = halves(50, 150)
    assert epi(edge, edge) == pytest.approx(1)
    assert epi(edge, halves(90, 110)) == pytest.approx(1)  # a correlation ignores the edge's height
    assert epi(edge, halves(150, 50)) == pytest.approx(-1)
    assert abs(epi(edge, np.roll(edge, 3, axis=1))) < 0.6
    assert epi(edge, halves(50, 50)) == 0
    assert math.isnan(epi(halves(9, 9), edge))


def test_edges_count_only_where_one_looks():
    reference = np.hstack([halves(50, 150), noise(0, 8)])
    filtered = np.hstack([halves(50, 150), noise(1, 8)])
    quiet = np.arange(16) < 7  # the Laplacian extends one pixel farther
    assert epi(reference, filtered, np.broadcast_to(quiet, (8, 16))) == pytest.approx(1)
    assert epi(reference, filtered) < 0.7


def test_psnr():
    assert psnr(halves(100, 100), halves(105, 95)) == pytest.approx(10 * math.log10(255**2 / 25))
    assert psnr(halves(0, 0), halves(255, 255)) == 0
    assert psnr(halves(1, 2), halves(1, 2)) == math.inf


def test_ssim_of_flat_pictures_is_that_of_their_means():
    a, b, dark = 100.0, 120.0, (0.01 * 255) ** 2
    flat = [np.full((20, 30), level, np.uint8) for level in (a, b)]
    assert ssim(*flat) == pytest.approx((2 * a * b + dark) / (a * a + b * b + dark))
    assert ssim(noise(0), noise(0)) == pytest.approx(1)
    assert ssim(noise(0), 255 - noise(0)) < -0.5


@pytest.mark.filterwarnings("ignore::FutureWarning:monai.*")  # raised within MONAI
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ssim_agrees_with_monai(seed):
    torch = pytest.importorskip("torch")
    from monai.metrics import SSIMMetric

    truth = speckle_phantom((1.0, 1.0), seed).image[40:90, 30:101]
    found = np.clip(truth.astype(int) + np.random.default_rng(seed).integers(-30, 30, truth.shape), 0, 255).astype(np.uint8)
    pair = (torch.from_numpy(image.astype(np.float32))[None, None] for image in (truth, found))
    assert ssim(truth, found) == pytest.approx(float(SSIMMetric(2, data_range=255.0)(*pair)), abs=1e-4)


@pytest.mark.parametrize("measure", [epi, psnr, ssim])
def test_two_pictures_are_alike_and_grey(measure):
    with pytest.raises(ImageError, match="give pictures of one size"):
        measure(noise(0, 20), noise(0, 30))
    with pytest.raises(ImageError, match="convert it first"):
        measure(np.zeros((20, 20, 3), np.uint8), noise(0, 20))
    with pytest.raises(ImageError, match="scale it to"):
        measure(noise(0, 20), noise(0, 20) / 255)


@pytest.mark.parametrize("region", [np.zeros((8, 8), bool), np.ones((7, 8), bool), np.ones((8, 8), np.uint8)])
def test_a_region_has_pixels_of_its_picture(region):
    for look in (
        lambda: enl(noise(0, 8), region),
        lambda: cnr(noise(0, 8), EVERYWHERE, region),
        lambda: ssi(noise(0, 8), noise(1, 8), region),
        lambda: epi(noise(0, 8), noise(1, 8), region),
    ):
        with pytest.raises(ImageError, match="mark its pixels"):
            look()


def test_ssim_needs_a_window():
    with pytest.raises(ImageError, match="give a larger one"):
        ssim(noise(0, 10), noise(0, 10))
