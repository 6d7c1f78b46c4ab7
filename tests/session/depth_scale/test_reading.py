"""Test that the scale of a screen is read exactly, or refused with the reason."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from session.depth_scale.scales import HEIGHT, LEFT, SECTOR, TOP, draw, screen

from rtseg.session.depth_scale import DepthScale, ScaleReader
from rtseg.session.depth_scale.card_scale import read_scale
from rtseg.session.sector.shape import whole_sector
from rtseg.sources.synthetic.screens.composer import make_screen
from rtseg.sources.synthetic.screens.layout import draw_layout


@pytest.fixture(scope="module")
def reader():
    return ScaleReader()


@pytest.mark.parametrize(
    ("spacing", "labels", "unit", "flipped"),
    [
        (40.0, (10, 20, 30, 40), 1.0, False),  # 5 mm from tick to tick
        (40.0, (1, 2, 3, 4), 10.0, False),
        (57.3, (1, 2, 3), 10.0, False),
        (40.0, (1, 2, 3, 4), 10.0, True),
        (36.3, ("0.5", "1.0", "1.5", "2.0", "2.5"), 10.0, False),
        (90.0, (1, 2), 10.0, False),  # two numbers and the first tick
    ],
)
def test_ticks_and_numbers_give_the_size_of_a_pixel(reader, spacing, labels, unit, flipped):
    found = reader.read(draw(screen(), spacing, labels, flipped=flipped), SECTOR)
    assert isinstance(found, DepthScale), found
    assert found.mm_per_pixel == pytest.approx(float(labels[0]) * unit / (2 * spacing), rel=0.005)


def test_numbers_left_of_the_ticks_and_gray_screens_are_read(reader):
    image = cv2.cvtColor(draw(screen(), 40, (10, 20, 30, 40), x=LEFT - 20, side=-1), cv2.COLOR_RGB2GRAY)
    assert reader.read(image, SECTOR).mm_per_pixel == pytest.approx(10 / 80, rel=0.005)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ((), "no numbers stand at ticks"),
        ((3, 9, 4, 7), "do not grow evenly|contradict|not usual|do not suffice"),
        ((1, 2, 9, 9), "contradict|grow evenly"),
        ((7, 14, 21, 28), "from tick to tick is not usual"),
    ],
)
def test_what_does_not_agree_is_refused(reader, labels, reason):
    found = reader.read(draw(screen(), 40, labels), SECTOR)
    assert not isinstance(found, DepthScale)
    assert [part for part in reason.split("|") if part in found.reason], found.reason


def test_a_screen_without_a_scale_is_refused(reader):
    assert reader.read(screen(), SECTOR).reason == "no column of ticks was found"


def test_a_scale_that_begins_elsewhere_is_refused(reader):
    low = replace(SECTOR, outline=((200.0, 250.0), (439.0, 250.0), (439.0, 439.0), (200.0, 439.0)))
    found = reader.read(draw(screen(), 40, (10, 20, 30, 40)), low)
    assert found.reason == "the scale does not begin at the probe's face"


def test_a_picture_that_would_be_possible_in_both_units_is_refused(reader):
    narrow = replace(SECTOR, outline=((240.0, 40.0), (399.0, 40.0), (439.0, 439.0), (200.0, 439.0)))
    found = reader.read(draw(screen(), 40, (5, 10, 15, 20)), narrow)
    assert found.reason == "it is not clear whether the numbers are centimeters or millimeters"


def test_two_scales_that_differ_are_refused_unless_one_is_nearer(reader):
    near = draw(screen(), 40, (10, 20, 30, 40))
    assert reader.read(draw(near.copy(), 33, (10, 20, 30, 40), x=560), SECTOR).mm_per_pixel == pytest.approx(0.125, rel=0.005)
    both = draw(near, 33, (10, 20, 30, 40), x=LEFT - 30, side=-1)
    assert reader.read(both, SECTOR).reason == "two scales say different sizes, and both may belong to the sector"


def test_without_a_known_sector_nothing_is_read():
    found = read_scale([draw(screen(), 40, (10, 20, 30, 40))], whole_sector(SECTOR.size))
    assert (found.mm_per_pixel, found.provenance) == (None, "not read: the sector is not known")


def test_the_mean_of_the_newest_frames_is_read():
    found = read_scale([draw(screen(seed), 40, (10, 20, 30, 40)) for seed in range(3)], SECTOR)
    assert found.mm_per_pixel == pytest.approx(0.125, rel=0.005)
    assert found.provenance == "11 ticks and 4 numbers in millimeters".replace("11", str(found.ticks[4]))


@pytest.mark.parametrize("layout", [5, 11, 22])
def test_the_scales_of_made_up_screens_are_read(reader, layout):
    made = make_screen(draw_layout(layout), 3, size=(720, 1280))
    corners = cv2.convexHull(np.argwhere(made.mask())[:, ::-1].astype(np.int32))[:, 0]
    sector = replace(SECTOR, size=made.size, outline=tuple((float(x), float(y)) for x, y in corners))
    found = reader.read(made.frame(0), sector)
    if made.has_scale:
        assert isinstance(found, DepthScale), found
    if isinstance(found, DepthScale):
        assert found.mm_per_pixel == pytest.approx(made.mm_per_pixel, rel=0.02)


def test_the_picture_of_the_tests_has_its_scale_beside_the_sector():
    image = draw(screen(), 40, (10,))
    assert image[TOP, 460:470].any()
    assert image.shape[0] >= TOP + HEIGHT
