"""Tests the synthetic probe's images: the vessel, its truth, and the speckle."""

import cv2
import numpy as np
import pytest
from sources.probes import probe

from rtseg.sources.synthetic import open_synthetic
from rtseg.sources.synthetic.vessel import DISTENSION

GEOMETRIES = pytest.mark.parametrize("geometry", ["linear", "curvilinear"])


@GEOMETRIES
def test_picture_and_truth_follow_from_seed_and_index_alone(geometry):
    first, second = (probe(f"seed=4&geometry={geometry}&faults=cut@5") for _ in range(2))
    streamed = {frame.index: frame.image for frame, _ in zip(first, range(8), strict=False)}
    for index in (7, 0, 5, 3):  # any order
        assert np.array_equal(second.image(index), streamed[index])
        assert np.array_equal(second.truth(index), first.truth(index))
    other = probe(f"seed=5&geometry={geometry}")
    assert not np.array_equal(other.image(0), streamed[0])
    assert not np.array_equal(other.truth(0), first.truth(0))


@GEOMETRIES
def test_the_lumen_is_dark_its_wall_bright_and_the_truth_lies_on_the_edge(geometry):
    for seed in range(4):
        source = probe(f"seed={seed}&geometry={geometry}&drift_mm=8", "vessel?height=240&width=320")
        image, truth = source.image(9 * seed), source.truth(9 * seed)
        pixels = 3 if geometry == "linear" else 2
        kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
        ring = (cv2.dilate(truth, kernel) - cv2.dilate(truth, np.ones((3, 3), np.uint8))) > 0
        inside = cv2.erode(truth, np.ones((3, 3), np.uint8)) > 0
        assert image[ring].mean() > 3 * image[inside].mean() + 10
        assert image[inside].mean() < 40
        assert np.percentile(image[inside], 98) < 80


def test_the_area_follows_the_radius():
    source = probe("seed=2&drift_mm=0", "vessel?height=400&width=400")
    spacing = source.info.spacing_mm[0]
    radii = np.array([np.sqrt(source.truth(index).sum() * spacing**2 / np.pi) for index in range(42)])
    assert radii.max() / radii.min() == pytest.approx(1 + DISTENSION, abs=0.02)
    assert 2.7 < radii.min() < 4.0
    centres = [cv2.moments(source.truth(index), True) for index in (0, 5, 9)]
    assert np.ptp([m["m10"] / m["m00"] for m in centres]) < 0.3  # without drift its center stays


def test_the_heart_beats_at_its_rate():
    source = probe("bpm=60&fps=20&drift_mm=0", "vessel?height=200&width=200")
    areas = np.array([source.truth(index).sum() for index in range(40)])
    assert np.array_equal(areas[:20], areas[20:])
    assert np.count_nonzero((areas[1:-1] > areas[:-2]) & (areas[1:-1] >= areas[2:])) <= 6  # a main and a second wave a beat


def test_the_drift_is_smooth():
    source = probe("seed=1&drift_mm=3", "vessel?height=200&width=240")
    x = np.array([cv2.moments(source.truth(index), True)["m10"] / source.truth(index).sum() for index in range(60)])
    assert np.ptp(x) > 5
    assert np.abs(np.diff(x)).max() < 2


def test_speckle_is_fully_developed_and_moves_with_the_tissue():
    from rtseg.sources.synthetic.geometry import TRANSDUCERS, ScanView
    from rtseg.sources.synthetic.tissue import Tissue

    tissue = Tissue(ScanView(TRANSDUCERS["linear"], 256, 256), 1.0, np.random.default_rng(0))
    amplitude = np.hypot(*np.moveaxis(tissue.scatterers(0.0)[..., :2], -1, 0))
    assert amplitude.mean() / amplitude.std() == pytest.approx(1.91, abs=0.08)  # the Rayleigh distribution's
    later = np.hypot(*np.moveaxis(tissue.scatterers(1 / 25)[..., :2], -1, 0))
    second = np.hypot(*np.moveaxis(tissue.scatterers(2.25)[..., :2], -1, 0))
    assert np.corrcoef(amplitude.ravel(), later.ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(amplitude.ravel(), second.ravel())[0, 1]) < 0.2


def test_speckle_is_carried_along_by_the_drift():
    source = probe("seed=1&drift_mm=5&bpm=20", "vessel?height=200&width=240")
    before, after = source.image(0)[100:].astype(np.float32), source.image(6)[100:].astype(np.float32)
    (dx, dy), _ = cv2.phaseCorrelate(before, after, cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F))
    moments = [cv2.moments(source.truth(index), True) for index in (0, 6)]
    true_dx, true_dy = ((moments[1][k] / moments[1]["m00"] - moments[0][k] / moments[0]["m00"]) for k in ("m10", "m01"))
    assert abs(true_dx) > 1.5
    assert dx == pytest.approx(true_dx, abs=1)
    assert dy == pytest.approx(true_dy, abs=1)


def test_below_the_lumen_it_is_brighter_and_at_its_sides_darker():
    spacing, brighter, darker = 40 / 240, [], []
    for seed in range(6):
        source = probe(f"seed={seed}", "vessel?height=240&width=320")
        truth = source.truth(0)
        rows, columns = np.nonzero(truth)
        radius, bottom, middle = (columns.max() - columns.min()) / 2, rows.max() + int(2 / spacing), int(columns.mean())
        strip = source.image(0)[bottom : bottom + int(6 / spacing)].mean(axis=0)
        below = strip[middle - int(radius / 2) : middle + int(radius / 2)].mean()
        edges = [strip[edge - 3 : edge + 4].mean() for edge in (columns.min() - 2, columns.max() + 2)]
        beside = [strip[edge - 8 : edge + 9].mean() for edge in (columns.min() - 24, columns.max() + 24)]
        brighter.append(below - np.mean(beside))
        darker.append(np.mean(beside) - np.mean(edges))
    assert np.mean(brighter) > 4
    assert np.mean(darker) > 8


@GEOMETRIES
def test_outside_the_sector_everything_is_black(geometry):
    source = probe(f"geometry={geometry}", "vessel?height=120&width=300")
    image = source.image(0)
    assert image[:, 0].max() == 0
    assert image[:, -1].max() == 0
    assert source.truth(0)[:, 0].max() == 0
    assert np.count_nonzero(image) > 0.15 * image.size


def test_the_spacing_is_the_geometrys():
    assert probe().info.spacing_mm == pytest.approx((40 / 128, 40 / 128))
    assert probe().info.fps == 25
    assert probe("frames=3").info.frames == 3


def test_it_is_endless_and_closes():
    source = probe()
    frames = iter(source)
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    source.close()
    assert next(frames, None) is None


@pytest.mark.parametrize("size", ["height=16&width=16", "height=17&width=333", "height=333&width=19"])
@GEOMETRIES
def test_any_size(size, geometry):
    source = open_synthetic(f"vessel?{size}&geometry={geometry}")
    assert source.image(0).shape == source.truth(0).shape == (source.info.height, source.info.width)
    assert source.truth(0).max() == 1
