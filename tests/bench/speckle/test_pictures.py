"""Tests the pictures for speckle filters and the measurement of filters on them."""

import cv2
import numpy as np
import pytest

from rtseg.bench.speckle import FILTERS, FilterDice, annotated_frame, compare_filters, measure_quality, speckle_phantom
from rtseg.bench.speckle.filters import PERSISTENCE, UNFILTERED, apply_persistence
from rtseg.bench.speckle.quality import cnr
from rtseg.errors import ConfigError, ImageError
from rtseg.evaluation.dataset import Case
from rtseg.frame import Segmentation


@pytest.fixture(scope="module")
def fine():
    return speckle_phantom((0.8, 1.2))


def test_the_phantom_is_what_its_truth_says(fine):
    assert fine.truth is not None
    for region in (fine.uniform, fine.inside, fine.outside):
        assert np.ptp(fine.truth[region]) == 0
    assert fine.image[fine.uniform].mean() == pytest.approx(fine.truth[fine.uniform].mean(), abs=2)
    decibels = fine.image[fine.uniform] / 255 * 60
    assert decibels.std() == pytest.approx(5.57, abs=0.2)  # log-compressed Rayleigh amplitude: 20 / ln 10 * pi / sqrt 24
    contrast = fine.truth[fine.outside].mean() - fine.truth[fine.inside].mean()
    assert contrast == pytest.approx(20 / 60 * 255, abs=1)  # -20 dB


def test_coarser_grain_is_more_alike_from_pixel_to_pixel(fine):
    def likeness(picture):
        values = picture.image[190:240, 25:110].astype(float)
        return np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]

    assert likeness(speckle_phantom((1.5, 2.5))) > likeness(fine) + 0.1


def test_a_phantom_is_made_by_its_seed(fine):
    assert np.array_equal(speckle_phantom((0.8, 1.2)).image, fine.image)
    assert not np.array_equal(speckle_phantom((0.8, 1.2), seed=1).image, fine.image)
    assert not np.array_equal(fine.before[-1], fine.image)


def test_every_filter_but_clahe_brings_the_phantom_nearer_to_its_truth(fine):
    rows = {row.filter: row for row in measure_quality([fine])}
    assert rows.keys() == {*FILTERS, PERSISTENCE}
    plain = rows.pop(UNFILTERED)
    assert (plain.ssi, plain.kind) == (pytest.approx(1), fine.kind)
    worse = {name for name, row in rows.items() if row.psnr < plain.psnr or row.ssim < plain.ssim or row.ssi > plain.ssi}
    assert worse == {"clahe"}  # it enhances contrast instead of reducing speckle
    assert rows["median 3"].enl < rows["median 5"].enl < rows["median 7"].enl


def test_pictures_of_a_kind_share_a_row(fine):
    other = speckle_phantom((0.8, 1.2), seed=1)
    (one,), (two,), (both,) = (
        measure_quality(pictures, {UNFILTERED: FILTERS[UNFILTERED]})[:1] for pictures in ([fine], [other], [fine, other])
    )
    assert both.enl == pytest.approx((one.enl + two.enl) / 2)
    assert both.enl not in (one.enl, two.enl)


def test_persistence_goes_through_all_frames(fine):
    stack = np.stack([*fine.before, fine.image])[:, fine.uniform]
    shown = apply_persistence((*fine.before, fine.image))[fine.uniform]
    assert shown.mean() == pytest.approx(stack.mean(), abs=2)
    assert 0.3 < shown.std() / fine.image[fine.uniform].std() < 0.5  # weight 0.25 over many frames gives 1 / sqrt 7 = 0.38


@pytest.fixture
def case(tmp_path):
    rng = np.random.default_rng(5)
    image = rng.integers(90, 110, (160, 200)).astype(np.uint8)
    image[:, 130:] = rng.integers(40, 255, (160, 70))
    mask = np.zeros_like(image)
    cv2.circle(mask, (70, 60), 20, 255, -1)
    image[mask > 0] = 10
    for name, pixels in [("image.png", image), ("mask.png", mask)]:
        cv2.imwrite(str(tmp_path / name), pixels)
    return Case("scan00_frame00001", "scan00", 1, tmp_path / "image.png", tmp_path / "mask.png")


def test_a_real_frame_shows_where_to_look(case):
    picture = annotated_frame(case)
    lumen = case.labels(1) > 0
    assert not (picture.inside & ~lumen).any()
    assert not (picture.outside & lumen).any()
    assert picture.uniform.sum() == 41 * 41
    assert not (picture.uniform & lumen).any()
    assert picture.uniform[:, 130:].sum() == 0  # the right side is not uniform
    assert cnr(picture.image, picture.inside, picture.outside) > 10
    row = measure_quality([picture], {UNFILTERED: FILTERS[UNFILTERED]})[0]
    assert row.epi == pytest.approx(1)
    assert row.to_json()["psnr"] is None


@pytest.mark.parametrize(("shape", "remedy"), [((40, 80), "give a larger frame"), ((80, 80), "a frame that shows tissue")])
def test_a_frame_without_tissue_is_told(tmp_path, shape, remedy):
    cv2.imwrite(str(tmp_path / "dark.png"), np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match=remedy):
        annotated_frame(Case("dark", "dark", 0, tmp_path / "dark.png", tmp_path / "dark.png"))


class ThresholdSession:
    """Replaces a session: labels pixels brighter than 128 as lumen."""

    classes = ("lumen",)

    def __init__(self, engine, *, temporal) -> None:
        assert temporal is None, "seconds lie between the frames: there is nothing to stabilize"
        engine.append("new")

    def step(self, frame):
        return Segmentation((frame.image > 128).astype(np.uint8), ("lumen",), (1.0,))


@pytest.fixture
def scans(tmp_path):
    """Return two scans with a bright lumen; the first has an outlier pixel beside it."""
    cases = []
    for subject, order, salt in [("a", 0, 255), ("a", 1, 255), ("b", 0, 0)]:
        mask = np.zeros((32, 32), np.uint8)
        mask[8:24, 8:24] = 255
        image = mask.copy()
        image[2, 2] = salt
        paths = [tmp_path / f"{kind}{subject}{order}.png" for kind in ("image", "mask")]
        for path, pixels in zip(paths, (image, mask), strict=True):
            cv2.imwrite(str(path), pixels)
        cases.append(Case(f"{subject}{order}", subject, order, *paths))
    return cases


def test_what_a_filter_gains_is_told_by_subject(scans, monkeypatch):
    monkeypatch.setattr("rtseg.bench.speckle.segmented.Session", ThresholdSession)
    sessions: list[str] = []
    grey = {UNFILTERED: FILTERS[UNFILTERED], "no salt": lambda image: image * (np.arange(32) > 4), "black": np.zeros_like}
    told: list[str] = []
    plain, clean, black = compare_filters(sessions, scans, grey, told.append)
    assert len(sessions) == 2 * 3  # one for each subject and filter
    assert told == [f"segmenting: {name}" for name in grey]
    salted = 2 * 256 / (2 * 256 + 1)
    assert plain.values == pytest.approx((salted, salted, 1))
    assert clean.values == (1, 1, 1)
    assert clean.gains == pytest.approx({"a": 1 - salted, "b": 0})
    assert (plain.better, clean.better, black.better) == (0, 2, 0)
    assert black.to_json()["gain"] == pytest.approx(-(2 * salted + 1) / 3, abs=1e-4)


@pytest.mark.parametrize(
    ("gains", "helps"), [((0.01, 0.01), True), ((0.01, -0.001), False), ((0.001, 0.002), False), ((0.2, -0.001), False)]
)
def test_a_filter_helps_when_every_subject_gains_by_it(gains, helps):
    found = {subject: (0.5 + gain,) for subject, gain in zip("ab", gains, strict=True)}
    assert FilterDice("some", found, {"a": (0.5,), "b": (0.5,)}).helps is helps


def test_there_must_be_a_row_to_compare_with(scans):
    with pytest.raises(ConfigError, match="put it first"):
        compare_filters([], scans, {"median 3": FILTERS["median 3"]})
