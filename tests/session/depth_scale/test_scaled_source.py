"""Test that a card's scale is the spacing of frames that show it, and of no others."""

import re
from dataclasses import replace

import pytest
from session.depth_scale.scales import SECTOR, draw, screen

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Origin, StreamInfo
from rtseg.session.depth_scale.card_scale import read_scale
from rtseg.session.depth_scale.scaled_source import ScaledSource
from rtseg.session.sector.scanner_card import CardScale, ScannerCard, layout_cells, read_card

NEAR, FAR = (40.0, (10, 20, 30, 40)), (33.0, (10, 20, 30, 40))
OTHER_NUMBERS = (40.0, (20, 40, 60, 80))


class Frames:
    def __init__(self, frames):
        self.info, self._frames = StreamInfo(480, 640, 25.0), frames

    def __iter__(self):
        return iter(self._frames)

    def close(self):
        pass


def frames(*scales):
    return [Frame(draw(screen(index), *scale), index, index) for index, scale in enumerate(scales)]


@pytest.fixture(scope="module")
def card():
    image = draw(screen(), *NEAR)
    return ScannerCard(SECTOR, layout_cells(image, SECTOR), 25.0, 0.0, "full", read_scale([image], SECTOR), "2:3")


def spacings(card, made):
    return [frame.spacing_mm and frame.spacing_mm[0] for frame in ScaledSource(Frames(made), card)]


def test_frames_that_show_the_scale_have_its_spacing(card):
    made = list(ScaledSource(Frames(frames(*[NEAR] * 3)), card))
    assert [frame.spacing_from for frame in made] == ["scale"] * 3
    assert made[0].spacing_mm == pytest.approx((0.125, 0.125), rel=0.005)


@pytest.mark.parametrize("other", [FAR, OTHER_NUMBERS], ids=["ticks", "numbers"])
def test_another_depth_has_no_spacing_and_the_first_one_has_it_again(card, other):
    found = spacings(card, frames(*[NEAR] * 2, *[other] * 6, *[NEAR] * 12))
    assert found[:2] == [pytest.approx(0.125, rel=0.005)] * 2
    assert found[2:8] == [None] * 6
    assert found[-1] == found[0]


def test_pixels_that_are_not_square_have_a_width_of_their_own(card):
    wide = [replace(frame, pixel_aspect=2.0) for frame in frames(NEAR)]
    assert next(iter(ScaledSource(Frames(wide), card))).spacing_mm == pytest.approx((0.125, 0.25), rel=0.005)


def test_what_the_source_states_stays(card):
    own = [replace(frame, spacing_mm=(1.0, 1.0)) for frame in frames(NEAR)]
    own += [replace(frame, origin=Origin(spacing_mm=(2.0, 2.0))) for frame in frames(NEAR)]
    assert [(frame.spacing_mm, frame.spacing_from) for frame in ScaledSource(Frames(own), card)] == [
        ((1.0, 1.0), ""),
        (None, ""),
    ]


def test_a_card_keeps_its_scale_and_its_pattern(card, tmp_path):
    (path := tmp_path / "card.toml").write_text(card.to_toml())
    again = read_card(path)
    assert again.scale.mm_per_pixel == pytest.approx(card.scale.mm_per_pixel, abs=1e-6)
    assert again.scale.ticks == pytest.approx(card.scale.ticks, abs=1e-3)
    assert (again.scale.provenance, again.pattern) == (card.scale.provenance, "2:3")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: re.sub(r"mm_per_pixel = .*", "mm_per_pixel = -1", text),
        lambda text: re.sub(r"ticks = .*", "ticks = [1, 2, 3.0, 4.0, 1000000000]", text),
        lambda text: re.sub(r"ticks = .*", "ticks = [1, 2]", text),
        lambda text: re.sub(r"ticks = .*", "", text),
    ],
)
def test_a_card_whose_scale_is_damaged_is_refused(card, tmp_path, change):
    (path := tmp_path / "card.toml").write_text(change(card.to_toml()))
    with pytest.raises(ConfigError, match="is no scanner card"):
        read_card(path)


def test_a_card_without_a_scale_gives_no_spacing(card):
    assert spacings(replace(card, scale=CardScale()), frames(NEAR)) == [None]
