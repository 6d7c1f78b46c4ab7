"""Tests screen capture, under Xvfb where it is installed, and with a fake screen otherwise."""

import os
import shutil
import subprocess
import threading
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from rtseg.errors import ConfigError, SourceError
from rtseg.mailbox import Mailbox
from rtseg.sources import open_source
from rtseg.sources.live import screen

MONITORS = [
    {"left": -40, "top": 0, "width": 140, "height": 80},  # all together
    {"left": 0, "top": 0, "width": 100, "height": 80},
    {"left": -40, "top": 0, "width": 40, "height": 30},
]


class FakeScreen:
    """Simulates a screen whose gray level counts the captures; from the fifth on, one pixel is red."""

    def __init__(self):
        self.monitors, self.looks, self.closed, self.broken = MONITORS, 0, 0, False

    def grab(self, area):
        if self.broken:
            raise RuntimeError("the display went away")
        self.looks += 1
        pixels = np.full((area["height"], area["width"], 4), self.looks, np.uint8)
        if self.looks > 4:
            pixels[0, 0] = (0, 0, 255, 255)  # blue, green, red
        return SimpleNamespace(raw=pixels.tobytes(), height=area["height"], width=area["width"])

    def close(self):
        self.closed += 1
        if self.broken:
            raise RuntimeError("the display went away")


@pytest.fixture
def fake_screen(monkeypatch):
    made = FakeScreen()
    monkeypatch.setattr(screen.mss, "MSS", lambda: made)
    return made


def test_a_region_is_live_grey_until_colour_and_in_order(fake_screen):
    source = open_source("screen:-40,0,60,20?fps=500", spacing_mm=(0.1, 0.2))
    assert (source.info.height, source.info.width, source.info.fps, source.info.live) == (20, 60, 500, True)
    assert source.info.spacing_mm == (0.1, 0.2)
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 5:
            source.close()
    assert [frame.image.ndim for frame in frames] == [2, 2, 2, 3, 3]
    assert frames[3].image[0, 0].tolist() == [255, 0, 0]
    assert all(later.index > earlier.index for earlier, later in pairwise(frames))
    assert fake_screen.closed == 2  # opened once for the size, once for the stream


def test_the_first_monitor_at_25_frames_a_second_unless_told(fake_screen):
    assert open_source("screen:").info.height == 80
    assert open_source("screen:").info.fps == 25
    assert open_source("screen:?fps=50", fps=12).info.fps == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("0,0,101,80", "does not lie on the screen, which reaches from -40,0 to 100,80"),
        ("-41,0,10,10", "inside it"),
        ("0,0,0,10", "inside it"),
        ("0,0,10", "no part of a screen"),
        ("a,b,c,d", "no part of a screen"),
        ("?fps=fast", "no part of a screen"),
        ("?fps=-3", "give --fps"),
        ("?rate=3", "knows no option 'rate'"),
    ],
)
def test_what_is_no_region(fake_screen, words, message):
    with pytest.raises(ConfigError, match=message):
        open_source(f"screen:{words}")


def test_a_screen_that_goes_away(fake_screen):
    frames = iter(open_source("screen:?fps=500"))
    next(frames)
    fake_screen.broken = True
    with pytest.raises(SourceError, match=r"can no longer be looked at \(the display went away\): run rtseg in a session"):
        list(frames)


def test_closing_wakes_a_reader_that_waits(fake_screen):
    source = open_source("screen:?fps=0.001")
    given = threading.Event()
    thread = threading.Thread(target=lambda: [given.set() for _ in source])
    thread.start()
    assert given.wait(60)
    source.close()
    thread.join(60)
    assert not thread.is_alive()


def test_no_screen_at_all(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    if os.name == "posix" and "darwin" not in os.uname().sysname.lower():
        with pytest.raises(SourceError, match="DISPLAY on Linux"):
            open_source("screen:")


@pytest.fixture
def display(monkeypatch):
    """Start a virtual screen of 320x240 with Xvfb."""
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed: apt-get install xvfb")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "320x240x24", "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as number:
            monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
        yield server
        server.kill()


def test_a_real_screen_through_the_mailbox(display):
    """Another thread captures than the one that opened the source."""
    source = open_source("screen:10,20,200,100?fps=200")
    frames = []
    for frame in Mailbox(source):
        frames.append(frame)
        if len(frames) == 3:
            break
    source.close()
    assert {frame.image.shape for frame in frames} == {(100, 200)}
    with pytest.raises(ConfigError, match="from 0,0 to 320,240"):
        open_source("screen:0,0,321,240")


def test_a_real_screen_that_goes_away(display):
    frames = iter(open_source("screen:?fps=200"))
    next(frames)
    display.kill()
    display.wait()
    with pytest.raises(SourceError, match="can no longer be looked at"):
        list(frames)
