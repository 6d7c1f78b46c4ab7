"""Test the sector on screens with menus, letters and other pictures around it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import screens

from rtseg.frame import Frame
from rtseg.session.sector import SectorFinder, SectorKind
from rtseg.session.sector.clip import SectorClip
from rtseg.session.sector.shape import box_sector, unknown_sector, whole_sector
from rtseg.sources import open_source
from rtseg.sources.synthetic.screens import draw_layout, make_screen

TRUTH = json.loads((Path(__file__).parent / "truth" / "clips.json").read_text())
CLIPS = Path("/work/shared/data/clips")
NOT_FOUND = {"frame_grabber_phantom.igs.mha"}  # wires in water, 95 % black
SCREEN = (480, 640)


def found(frames):
    """Return the last sector of a stream, and the reasons why it changed."""
    finder, reasons = SectorFinder(), []
    for index, image in enumerate(frames):
        sector, reason = finder.observe(Frame(image, index, 0))
        reasons += [reason] if reason else []
    return sector, reasons


def iou(mask, truth):
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


def with_menus(picture, inside):
    """Return a screen (H, W, 3) with a bar, a menu of buttons and settings around a picture (H, W)."""
    screen = np.zeros((*SCREEN, 3), np.uint8)
    screen[:40], screen[:, :90], screen[450:] = (40, 60, 110), (70, 70, 75), (50, 50, 50)
    cv2.putText(screen, "DOE^JANE 1970-01-01", (100, 27), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (240,) * 3, 1, cv2.LINE_AA)
    for row, text in enumerate(("Gain", "Depth", "Freeze", "Save", "Patient")):
        cv2.rectangle(screen, (6, 60 + 50 * row), (82, 96 + 50 * row), (110, 110, 120), -1)
        cv2.putText(screen, text, (12, 84 + 50 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230,) * 3, 1, cv2.LINE_AA)
    for row in range(8):
        cv2.putText(screen, f"Set {row} 12.5", (540, 80 + 24 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (200,) * 3, 1, cv2.LINE_AA)
    screen[inside] = picture[inside][:, None]
    return screen


SHAPES = {
    "linear": screens.rectangle(SCREEN, 60, 150, 360, 330),
    "curvilinear": screens.fan(SCREEN, (310, -20), 0.5, 90, 430),
    "phased": screens.fan(SCREEN, (310, 55), 0.65, 0, 360),
    "endocavity": screens.fan(SCREEN, (310, 90), 1.15, 40, 215),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_a_sector_among_menus_is_found_in_ten_frames(kind):
    inside = SHAPES[kind]
    sector, reasons = found(with_menus(screens.speckle(SCREEN, seed), inside) for seed in range(10))
    assert iou(sector.mask(), inside) > 0.95
    assert not sector.mask()[:40].any()
    assert not sector.mask()[:, :90].any()
    assert np.count_nonzero(inside & ~sector.mask()) < 0.01 * np.count_nonzero(inside)
    assert not reasons


@pytest.mark.parametrize("kind", ["linear", "phased"])
def test_a_frozen_sector_with_an_icon_that_blinks_is_found(kind):
    frames = []
    for index in range(10):
        frames.append(with_menus(screens.speckle(SCREEN, 3), SHAPES[kind]))
        frames[-1][455:470, 600:615] = 255 * (index // 3 % 2)
    sector, _ = found(frames)
    assert iou(sector.mask(), SHAPES[kind]) > 0.93


def test_a_dark_flank_of_a_fan_is_kept():
    """Test a fan whose right flank is dark but for specks, among letters: the fan is symmetric."""
    inside = SHAPES["phased"]
    y, x = np.mgrid[: SCREEN[0], : SCREEN[1]]
    angle = np.arctan2(x - 310, y - 55)
    frames = []
    for seed in range(10):
        picture = screens.speckle(SCREEN, seed).astype(float)
        picture = np.where(angle > 0.25, picture * 0.03, picture).astype(np.uint8)
        frames.append(with_menus(picture, inside))
    sector, _ = found(frames)
    assert np.count_nonzero(inside & ~sector.mask()) < 0.02 * np.count_nonzero(inside)
    assert iou(sector.mask(), inside) > 0.9


@pytest.mark.parametrize("live", [0, 1])
def test_of_two_pictures_the_live_one_is_the_sector(live):
    boxes = [screens.rectangle(SCREEN, 80, 110, 300, 180), screens.rectangle(SCREEN, 80, 320, 300, 180)]
    frames = []
    for seed in range(10):
        picture = screens.speckle(SCREEN, 50)
        picture[boxes[live]] = screens.speckle(SCREEN, seed)[boxes[live]]
        frames.append(with_menus(picture, boxes[0] | boxes[1]))
    sector, _ = found(frames)
    assert iou(sector.mask(), boxes[live]) > 0.9


@pytest.mark.parametrize("side", ["top", "left", "bottom", "right"])
def test_a_sector_that_touches_the_edge_of_the_frame_is_found(side):
    whole = with_menus(screens.speckle(SCREEN, 0), SHAPES["linear"])
    cuts = {"top": np.s_[60:, :], "left": np.s_[:, 150:], "bottom": np.s_[:420, :], "right": np.s_[:, :480]}
    frames = [with_menus(screens.speckle(SCREEN, seed), SHAPES["linear"])[cuts[side]].copy() for seed in range(10)]
    inside = SHAPES["linear"][cuts[side]]
    sector, _ = found(frames)
    assert whole.shape != frames[0].shape
    assert iou(sector.mask(), inside) > 0.93


def test_a_desktop_and_a_webcam_have_no_sector():
    desktop = with_menus(np.zeros(SCREEN, np.uint8), np.zeros(SCREEN, bool))
    smooth = cv2.resize(
        np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8), SCREEN[::-1], interpolation=cv2.INTER_CUBIC
    )
    rng = np.random.default_rng(2)
    webcam = [
        np.clip(np.roll(smooth, index, 1) + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8) for index in range(12)
    ]
    sector, _ = found([desktop] * 12)
    assert (sector.kind, sector.confidence) == (SectorKind.WHOLE, 0.0)
    sector, _ = found(webcam)
    assert sector.kind is SectorKind.WHOLE


@pytest.mark.parametrize("number", [1, 5, 7])
def test_the_sector_of_a_made_up_scanner_is_found(number):
    screen = make_screen(draw_layout(number), 5, size=(480, 640))
    sector, _ = found(screen.frame(index) for index in range(10))
    assert iou(sector.mask(), screen.mask()) > 0.85


@pytest.mark.skipif(not CLIPS.exists(), reason="the shared clips are not on this machine")
@pytest.mark.parametrize("name", sorted(set(TRUTH) - NOT_FOUND))
def test_the_sector_of_a_real_clip_is_the_one_drawn_by_eye(name):
    truth = np.zeros(TRUTH[name]["size"], np.uint8)
    cv2.fillPoly(truth, [np.round(np.array(TRUTH[name]["polygon"])).astype(np.int32)], 1)
    frames = [frame.image for frame, _ in zip(open_source(str(CLIPS / name)), range(10), strict=False)]
    sector, reasons = found(frames)
    assert iou(sector.mask(), truth > 0) > 0.95
    assert not reasons


def test_labels_never_leave_the_sector():
    clip, size = SectorClip(), (40, 60)
    labels = np.ones(size, np.uint8)
    for box in ((5, 10, 20, 30), (0, 0, 40, 20)):
        sector = box_sector(box, size)
        own = labels.copy()
        assert clip.clip(own, sector) is own, "another array of the frame's size was made"
        np.testing.assert_array_equal(own, sector.mask().astype(np.uint8))
    assert clip.clip(labels, whole_sector(size)) is labels
    assert clip.clip(labels, unknown_sector(size)) is labels
