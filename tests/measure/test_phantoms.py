"""Test measures over the beat on phantoms whose volumes, radii and rates are known exactly, with drops and probe motion."""

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.measure.heart_cycle import find_beats, heart_rate
from rtseg.measure.ventricle import disc_volume
from rtseg.measure.vessel import lumen_diameter
from rtseg.sources.synthetic.probe import open_synthetic

FPS, FRAMES = 40, 140


@pytest.mark.parametrize(("seed", "bpm"), [(0, 70), (1, 110), (2, 52)])
def test_the_ejection_fraction_of_a_beating_heart(seed, bpm):
    heart = open_synthetic(f"heart?seed={seed}&height=360&width=480&fps={FPS}&bpm={bpm}&drift_mm=4")
    exact = np.array([heart.volume_ml(i) for i in range(FRAMES)])
    times = np.arange(FRAMES) / FPS
    volumes = np.array([disc_volume(heart.truth(i) > 0, heart.info.spacing_mm) for i in range(FRAMES)])
    np.testing.assert_allclose(volumes, exact, rtol=0.01)
    volumes[np.random.default_rng(seed).random(FRAMES) < 0.1] = np.nan
    beats = find_beats(times, volumes)
    assert heart_rate(beats) == pytest.approx(bpm, rel=0.02)
    assert len(beats) >= int(FRAMES / FPS * bpm / 60) - 2
    fractions = [1 - volumes[beat.end_systole] / volumes[beat.end_diastole] for beat in beats]
    assert np.median(fractions) == pytest.approx(1 - exact.min() / exact.max(), abs=0.005)
    for beat in beats:
        near = slice(max(0, beat.end_diastole - 8), beat.end_diastole + 9)
        assert abs(np.argmax(exact[near]) + near.start - beat.end_diastole) <= 1
        near = slice(beat.end_systole - 6, beat.end_systole + 7)
        assert abs(np.argmin(exact[near]) + near.start - beat.end_systole) <= 1


def test_the_diameter_and_rate_of_a_vessel():
    vessel = open_synthetic(f"vessel?seed=3&height=360&width=480&fps={FPS}&bpm=84&drift_mm=3")
    cavity, _ = vessel._scene(0)
    diameters = np.array([lumen_diameter(vessel.truth(i) > 0, vessel.info.spacing_mm) for i in range(FRAMES)])
    exact = np.array([2 * cavity.radius_at(i / FPS) for i in range(FRAMES)])
    np.testing.assert_allclose(diameters, exact, rtol=0.02)
    assert heart_rate(find_beats(np.arange(FRAMES) / FPS, diameters)) == pytest.approx(84, rel=0.02)
    with pytest.raises(ConfigError, match="use synthetic:heart"):
        vessel.volume_ml(0)


def test_a_heart_is_seen_by_a_curved_probe_and_its_picture_shows_the_cavity():
    heart = open_synthetic("heart?seed=1&height=240&width=320&geometry=linear")
    image, cavity = heart.image(0), heart.truth(0) > 0
    assert cavity.any()
    assert np.median(image[cavity]) < 40
    assert not image[0, 0]
