"""Test the viewport, to which images are shrunk."""

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.sinks.view.viewport import Viewport, covering_viewport, parse_viewport

MOST = Viewport(1920, 1080)


@pytest.mark.parametrize(
    ("room", "shape"),
    [
        (Viewport(982, 700), (552, 982)),
        (Viewport(2000, 360), (360, 640)),
        (Viewport(10, 10), (6, 10)),
        (Viewport(1280, 720), (720, 1280)),
        (Viewport(5000, 5000), (720, 1280)),
    ],
    ids=str,
)
def test_a_picture_is_shrunk_to_fit_and_never_enlarged(room, shape):
    picture = np.full((720, 1280, 3), (10, 120, 240), np.uint8)
    fitted = room.fit(picture)
    assert fitted.shape == (*shape, 3)
    assert (fitted == (10, 120, 240)).all()


def test_what_is_thin_keeps_a_pixel():
    assert Viewport(10, 10).fit(np.zeros((1, 1000, 3), np.uint8)).shape == (1, 10, 3)


def test_a_room_is_read_from_text():
    assert parse_viewport("1302x744") == Viewport(1302, 744)
    assert parse_viewport("") is None


@pytest.mark.parametrize("text", ["9x9", "0x10", "10", "10x", "100000x10", " 10x10", "10x10\n", "1e3x10", "\u0663\u0664x10"])
def test_what_is_no_room_is_refused(text):
    with pytest.raises(ConfigError, match="is no room for a picture: give WIDTHxHEIGHT in pixels"):
        parse_viewport(text)


def test_the_largest_room_is_enough_for_each_and_bounded():
    assert covering_viewport([Viewport(100, 900), Viewport(300, 200)], MOST) == Viewport(300, 900)
    assert covering_viewport([Viewport(9000, 9000)], MOST) == MOST
    assert covering_viewport([], MOST) == MOST
