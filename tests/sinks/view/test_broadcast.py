"""A broadcast serves the newest image to many viewers."""

import threading

import cv2
import numpy as np
import pytest

from rtseg.errors import ConfigError, ViewerRefused
from rtseg.sinks.view.broadcast import Broadcast
from rtseg.sinks.view.viewport import Viewport

WAIT_S = 60


def picture(level, shape=(48, 64, 3)):
    return np.full(shape, level, np.uint8)


def level(coded):
    return round(float(cv2.imdecode(np.frombuffer(coded.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE).mean()))


@pytest.fixture
def broadcast():
    opened = Broadcast(max_viewers=2)
    opened.open()
    yield opened
    opened.close()


def test_a_picture_is_coded_once_for_all(broadcast):
    broadcast.show(picture(100), captured_ns=7)
    first, second = (broadcast.wait_for_newer(0, WAIT_S) for _ in range(2))
    assert first is second
    assert first.captured_ns == 7
    assert first.encoded_ns > 7
    assert abs(level(first) - 100) <= 2


def test_a_slow_viewer_gets_the_newest_and_never_a_queue(broadcast):
    seen = broadcast_one(broadcast, 1)
    for grey in range(10, 200, 10):
        newest = broadcast_one(broadcast, grey, after=broadcast.newest.number)
    late = broadcast.wait_for_newer(seen.number, WAIT_S)
    assert late is newest
    assert abs(level(late) - 190) <= 2
    assert broadcast.wait_for_newer(late.number, 0.0) is None


def broadcast_one(broadcast, grey, after=0):
    broadcast.show(picture(grey), 0)
    return broadcast.wait_for_newer(after, WAIT_S)


def test_what_comes_faster_than_it_is_coded_is_skipped_and_counted(broadcast):
    big = [picture(i, (720, 1280, 3)) for i in range(60)]
    for one in big:
        broadcast.show(one, 0)
    last = broadcast.wait_for_newer(0, WAIT_S)
    while abs(level(last) - 59) > 1:
        last = broadcast.wait_for_newer(last.number, WAIT_S)
    assert broadcast.skipped == 60 - last.number


def test_colours_stay_and_wide_pictures_shrink():
    with_red = Broadcast(max_width=32)
    with_red.open()
    red = picture(0)
    red[..., 0] = 255
    with_red.show(red, 0)
    bgr = cv2.imdecode(np.frombuffer(with_red.wait_for_newer(0, WAIT_S).jpeg, np.uint8), cv2.IMREAD_COLOR)
    with_red.close()
    assert bgr.shape == (24, 32, 3)
    assert bgr[..., 2].min() > 240
    assert bgr[..., :2].max() < 15


def test_a_picture_has_room_enough_for_each_who_looks(broadcast):
    def coded_width():
        broadcast.show(picture(90, (720, 1280, 3)), 0)
        coded = broadcast.wait_for_newer(broadcast.newest.number if broadcast.newest else 0, WAIT_S)
        return cv2.imdecode(np.frombuffer(coded.jpeg, np.uint8), 0).shape[1]

    with broadcast.viewer(Viewport(640, 640)):
        assert coded_width() == 640
        with broadcast.viewer(Viewport(900, 100)):
            assert coded_width() == 900
        with broadcast.viewer():
            assert coded_width() == 1280
        assert coded_width() == 640
    assert coded_width() == 1280


def test_a_canvas_is_never_one_that_waits_or_is_coded(broadcast):
    canvases = []
    for i in range(20):
        canvas = broadcast.take_canvas((48, 64, 3))
        canvas[:] = 10 * i
        canvases.append(canvas)
        broadcast.show(canvas, i)
        coded = broadcast.wait_for_newer(i, WAIT_S)
        assert abs(level(coded) - min(10 * i, 255)) <= 2
    assert len({id(canvas) for canvas in canvases}) <= 3


def test_too_many_viewers_are_refused_until_one_leaves(broadcast):
    with broadcast.viewer():
        with broadcast.viewer():
            assert broadcast.viewers == 2
            with pytest.raises(ViewerRefused, match="2 look already: close another"), broadcast.viewer():
                pass
        with broadcast.viewer():
            pass
    assert broadcast.viewers == 0


def test_close_wakes_a_viewer_and_ends_the_thread(broadcast):
    answers = []
    viewer = threading.Thread(target=lambda: answers.append(broadcast.wait_for_newer(0, WAIT_S)))
    viewer.start()
    broadcast.close()
    broadcast.close()
    viewer.join(WAIT_S)
    assert answers == [None]
    assert broadcast.is_closed
    assert "rtseg-jpeg" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("wrong", [{"quality": 0}, {"quality": 101}, {"max_width": 8}, {"max_viewers": 0}])
def test_wrong_settings(wrong):
    with pytest.raises(ConfigError, match="a quality of 1 to 100"):
        Broadcast(**wrong)
