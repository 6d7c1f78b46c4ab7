"""Test that the spacing of a segmentation is that of its frame, by the rule of `StreamSpacing`."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from session.streams import frame_of

from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life, Origin, Spacing, StreamInfo
from rtseg.measure import measure
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sources import open_source
from rtseg.spacing import GivenSpacing, StreamSpacing

ONE, TWO = (0.1, 0.2), (0.2, 0.4)


def frame(own: Spacing | None = None, size: tuple[int, int] = (8, 8), aspect: float = 1.0) -> Frame:
    return Frame(np.zeros(size, np.uint8), 0, 0, spacing_mm=own, pixel_aspect=aspect)


def chosen(given: GivenSpacing | None, info: Spacing | None, *frames: Frame) -> list[Spacing | None]:
    spacing = StreamSpacing(given)
    spacing.begin(StreamInfo(8, 8, 25.0, spacing_mm=info))
    return [spacing.of(one) for one in frames]


def test_a_frame_s_own_spacing_wins_over_that_of_the_stream():
    assert chosen(None, ONE, frame(ONE), frame(TWO)) == [ONE, TWO]
    assert chosen(None, ONE, Frame(np.zeros((8, 8), np.uint8), 0, 0, Origin(spacing_mm=TWO))) == [TWO]


def test_a_stream_s_spacing_holds_for_its_size_until_a_frame_states_its_own():
    assert chosen(None, ONE, frame(), frame(size=(9, 8)), frame()) == [ONE, None, ONE]
    assert chosen(None, ONE, frame(), frame(TWO), frame()) == [ONE, TWO, None]


def test_the_user_s_spacing_follows_the_change_that_the_source_states():
    assert chosen((0.3, 0.3), ONE, frame(ONE), frame(TWO), frame(ONE)) == [(0.3, 0.3), pytest.approx((0.6, 0.6)), (0.3, 0.3)]
    assert chosen((0.3, 0.3), ONE, frame(TWO)) == [pytest.approx((0.6, 0.6))]  # the first frame may have been dropped
    assert chosen((0.3, 0.3), ONE, frame(ONE), frame()) == [(0.3, 0.3), None]


def test_the_user_s_spacing_does_not_outlast_the_size_of_a_source_that_states_none():
    assert chosen((0.3, 0.3), None, frame(), frame(size=(4, 8)), frame()) == [(0.3, 0.3), None, (0.3, 0.3)]
    assert chosen((0.3, 0.3), None, frame(), frame(TWO)) == [(0.3, 0.3), TWO]


def test_one_number_is_the_height_of_a_pixel():
    assert chosen(0.3, None, frame(), frame(aspect=2.0)) == [(0.3, 0.3), (0.3, 0.6)]


@pytest.mark.parametrize("given", [0.0, -1.0, float("nan"), (0.1,), (0.1, 0.0), "0.1", True])
def test_a_spacing_that_is_not_possible_is_refused(given):
    with pytest.raises(ConfigError, match="one positive number or two"):
        StreamSpacing(given)


def test_a_session_without_a_pipeline_measures_with_the_spacing_of_the_frames(tiny: Path):
    with closing(load_engine(tiny)) as engine:
        session = Session(engine, locator=WholeFrame())
        frames = [replace(frame_of(i, 200 - 20 * i), spacing_mm=own) for i, own in enumerate((ONE, TWO, TWO, None))]
        assert [session.step(one).spacing_mm for one in frames] == [ONE, TWO, TWO, None]


def test_a_held_frame_has_its_own_spacing(tiny: Path):
    with closing(load_engine(tiny)) as engine:
        session = Session(engine, locator=WholeFrame())
        first, second = (session.step(replace(frame_of(i), spacing_mm=own)) for i, own in enumerate((ONE, TWO)))
    assert (second.life.value, first.spacing_mm, second.spacing_mm) == ("HELD", ONE, TWO)


def test_pixels_that_are_not_square_make_the_diameter_longer(tiny: Path):
    with closing(load_engine(tiny)) as engine:
        session = Session(engine, locator=WholeFrame(), spacing_mm=0.5)
        found = session.step(replace(frame_of(0), pixel_aspect=4.0))
    (one, *_) = measure(found)
    assert found.spacing_mm == (0.5, 2.0)
    assert one.area_px
    assert one.area_mm2 == pytest.approx(one.area_px * 1.0)
    assert one.diameter_px == pytest.approx(2 * (4 * one.area_px / np.pi) ** 0.5)
    assert one.diameter_mm == pytest.approx(one.diameter_px / 2)


def _spacings(uri: str, **options: object) -> Iterator[Spacing | None]:
    with closing(open_source(uri, **options)) as source:  # type: ignore[arg-type]
        yield source.info.spacing_mm
        yield from (one.spacing_mm for one in source)


def test_a_change_of_depth_is_stated_by_the_very_next_frame():
    uri = "synthetic:vessel?height=64&width=80&frames=4&faults=depth@2:2"
    declared, *own = _spacings(uri)
    assert declared is not None
    assert own[:2] == [declared, declared]
    assert own[2] == own[3] == pytest.approx((2 * declared[0], 2 * declared[1]))
    assert list(_spacings(uri, spacing_mm=ONE)) == [ONE, *map(pytest.approx, (ONE, ONE, TWO, TWO))]


def test_a_held_picture_of_another_pixel_size_is_measured_anew(tiny: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    with closing(load_engine(tiny)) as engine:
        session = Session(engine, locator=WholeFrame(), measures=["diameter"], threshold=0.01)
        session._measures._edge.places = lambda *_: np.zeros(0, np.intp)  # nothing counts as cut off
        steps = [session.step(Frame(image, i, i * 10**7, spacing_mm=(mm, mm))) for i, mm in enumerate((0.1, 0.1, 0.2))]
    assert [found.life for found in steps[1:]] == [Life.HELD, Life.HELD]
    first, held, deeper = (found.measures[0].value for found in steps)
    assert first is not None
    assert held == first
    assert deeper == pytest.approx(2 * first)
