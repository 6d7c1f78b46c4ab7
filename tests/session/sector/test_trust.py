"""Test that a sector is called known only where its outline is right, and that a codec's halo does not widen it."""

from math import cos, sin

import cv2
import numpy as np
import pytest
import screens

from rtseg.frame import Frame
from rtseg.session.sector import SectorFinder, SectorKind, locator
from rtseg.session.sector.evidence import Evidence
from rtseg.session.sector.fan_contrast import side_contrast
from rtseg.session.sector.halo import without_halo
from rtseg.session.sector.screen_sector import locate_sector
from rtseg.session.sector.shape import box_sector, outline_overlap, whole_sector
from rtseg.session.sector.trust import MIN_TRUST, trust_in

SCREEN = (480, 640)
PERFECT = {"score": 5.0, "sharp": 1.0, "hull": 1.0, "outline": 1.0, "consensus": 0.9, "spill": 0.0, "void": 0.0, "joined": 1.0}


def evidence_of(pictures):
    """Return the evidence of some pictures (H, W)."""
    first, *others = pictures
    evidence = Evidence(first)
    for picture in others:
        evidence.add(picture)
    return evidence


def on_screen(pictures, inside):
    """Return each picture (H, W) inside a sector, among letters and bars."""
    return [np.where(inside, picture, screens.screen(np.zeros(SCREEN, bool))) for picture in pictures]


def test_of_two_live_pictures_neither_is_known():
    both = screens.rectangle(SCREEN, 80, 110, 300, 180) | screens.rectangle(SCREEN, 80, 320, 300, 180)
    sector = locate_sector(evidence_of(on_screen([screens.speckle(SCREEN, seed) for seed in range(4)], both)))
    assert sector.knowledge == "unknown"


@pytest.mark.parametrize("apex", [(310, -20), (310, 20)])
def test_a_fan_is_known_while_it_is_bright_and_not_where_it_fades_away(apex):
    inside = screens.fan(SCREEN, apex, 0.5, 90, 430)
    fade = np.linspace(0, 400, SCREEN[0])[:, None]  # gray levels per row
    tissue = [screens.speckle(SCREEN, seed) for seed in range(4)]
    fading = [(picture - fade).clip(0, 255).astype(np.uint8) for picture in tissue]
    assert locate_sector(evidence_of(on_screen(tissue, inside))).knowledge == "known"
    assert locate_sector(evidence_of(on_screen(fading, inside))).knowledge == "unknown"


@pytest.mark.parametrize("width", [5, 8])
def test_a_halo_does_not_widen_the_sector(width):
    inside = screens.fan(SCREEN, (310, -20), 0.5, 90, 430)
    near = (cv2.dilate(inside.astype(np.uint8), np.ones((2 * width + 1,) * 2, np.uint8)) > 0) & ~inside
    rng = np.random.default_rng(3)
    pictures = on_screen([screens.speckle(SCREEN, seed) for seed in range(4)], inside)
    for picture in pictures:
        picture[near] = rng.integers(0, 6, np.count_nonzero(near))
    sector = locate_sector(evidence_of(pictures))
    mask = sector.mask()
    assert np.count_nonzero(mask & inside) / np.count_nonzero(mask | inside) > 0.94
    assert np.count_nonzero(inside & ~mask) < 0.005 * np.count_nonzero(inside)


def test_faint_pixels_are_halo_beside_bright_ones_only():
    above = np.zeros((60, 120), np.uint8)
    above[:, :40], above[:, 40:50], above[:, 90:] = 100, 5, 5
    cleaned = without_halo(above, 0.2)
    assert (cleaned[:, :40] == 100).all()
    assert not cleaned[:, 40:50].any()
    assert (cleaned[:, 95:] == 5).all()


def test_trust_grows_with_agreement_and_ends_where_two_pictures_are_in_one_outline():
    assert trust_in(PERFECT) > MIN_TRUST
    assert trust_in({**PERFECT, "joined": 0.5}) == 0.0
    for name, worse in {"hull": 0.6, "outline": 0.0, "consensus": 0.3, "spill": 0.5, "void": 0.5, "sharp": 0.2}.items():
        assert trust_in({**PERFECT, name: worse}) < trust_in(PERFECT)


def test_the_contrast_of_a_fan_counts_pixels_beside_its_sides():
    support = screens.fan(SCREEN, (310, 10), 0.5, 50, 400).astype(np.uint8)
    assert side_contrast(support, (310.0, 10.0), 0.5, 0.0, (80, 380), 120) == pytest.approx(2.0)
    assert side_contrast(support, (310.0, 10.0), 0.6, 0.0, (80, 380), 120) == pytest.approx(0.0, abs=0.2)
    wide = side_contrast(support, (310.0, 10.0), 0.4, 0.0, (80, 380), 120)
    assert wide < 0
    expected = 0.0
    for sign in (-1, 1):
        across, along = sin(sign * 0.4), cos(sign * 0.4)
        radii = np.linspace(80, 380, 120)
        for depth, weight in ((1.5, 1 / 3), (3.5, 1 / 3), (6.0, 1 / 3), (-2.5, -0.75), (-4.5, -0.75)):
            x = np.floor(310 + across * radii - sign * along * depth + 0.5).astype(int)
            y = np.floor(10 + along * radii + sign * across * depth + 0.5).astype(int)
            expected += weight * support[y, x].mean()
    assert wide == pytest.approx(expected)


def test_overlap_of_outlines():
    square = np.array([(0, 0), (160, 0), (160, 160), (0, 160)], float)
    assert outline_overlap(square, square, SCREEN) == 1.0
    assert outline_overlap(square, square + np.array((80, 0)), SCREEN) == pytest.approx(1 / 3, abs=0.05)
    assert outline_overlap(square, square[:2], SCREEN) == 0.0


@pytest.mark.parametrize("confirmed", [False, True])
def test_what_later_frames_do_not_show_is_not_known(monkeypatch, confirmed):
    """Test a sector that the first look shows, and perhaps the second, and no later one."""
    found, none = box_sector((40, 50, 300, 400), SCREEN), whole_sector(SCREEN)
    found = type(found)(SectorKind.LINEAR, SCREEN, found.outline, 0.97)
    looks = iter([found, found if confirmed else none, none, none, none])
    monkeypatch.setattr(locator, "locate_sector", lambda _: next(looks))
    finder, picture = SectorFinder(), np.zeros(SCREEN, np.uint8)
    known = [finder.observe(Frame(picture, index, 0))[0].knowledge for index in range(10)]
    assert known[0] == "known"
    assert known[-1] == ("known" if confirmed else "unknown")
