"""Test the native window with fake OpenCV functions, since the headless wheel has no windows."""

import cv2
import pytest
import results

from rtseg.errors import SinkError
from rtseg.sinks import window
from rtseg.sinks.window import WindowSink


class FakeWindows:
    """Replaces OpenCV's window functions and records the calls."""

    def __init__(self, monkeypatch):
        self.shown, self.key, self.visible, self.open = [], -1, 1.0, False
        monkeypatch.setattr(window, "has_display", lambda: True)
        monkeypatch.setattr(cv2, "namedWindow", lambda *_: setattr(self, "open", True))
        monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
        monkeypatch.setattr(cv2, "imshow", lambda _, picture: self.shown.append(picture))
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.key)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: self.visible)
        monkeypatch.setattr(cv2, "destroyWindow", lambda _: setattr(self, "open", False))


@pytest.fixture
def screen(monkeypatch):
    return FakeWindows(monkeypatch)


def test_results_are_shown_and_timed(screen):
    sink, result = WindowSink(), results.result()
    sink.open(results.stream())
    sink.write(result)
    assert screen.shown[0].shape == (48, 64, 3)
    assert result.trace.stages_ns["window"] > 0
    sink.close()
    sink.close()
    assert not screen.open


@pytest.mark.parametrize(("key", "visible"), [(27, 1.0), (ord("q"), 1.0), (-1, 0.0)])
def test_the_user_ends_it(screen, key, visible):
    screen.key, screen.visible = key, visible
    sink = WindowSink()
    sink.open(results.stream())
    with pytest.raises(KeyboardInterrupt):
        sink.write(results.result())
    sink.close()


def test_no_display_is_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr(window, "has_display", lambda: False)
    with pytest.raises(SinkError, match="no display here: show it in a browser with --view"):
        WindowSink().open(results.stream())


def test_an_opencv_without_windows_is_told_with_the_remedy(monkeypatch):
    def without(*_):
        raise cv2.error("not implemented")

    monkeypatch.setattr(window, "has_display", lambda: True)
    monkeypatch.setattr(cv2, "namedWindow", without)
    with pytest.raises(SinkError, match=r"this OpenCV opens no window .*--view"):
        WindowSink().open(results.stream())
