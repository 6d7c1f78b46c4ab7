"""Tests the examination of sources: problems are found, and good sources get no advice."""

import time
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import screens
from faults.scene import Scene
from sources.links import ENDS, FAST, FakeLink
from sources.live.test_camera import GREY, FakeCapture, raw_of
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.doctor.source import SourceReport, advice, inspect_source, is_combed
from rtseg.errors import SourceError
from rtseg.frame import Frame, Origin, StreamInfo
from rtseg.session.sector.shape import box_sector
from rtseg.sources import open_source
from rtseg.sources.live import camera, v4l2
from rtseg.sources.live.capture_mode import CaptureMode
from rtseg.sources.live.reconnect import ReconnectingSource

INSIDE = screens.rectangle((240, 320), 60, 80, 150, 160)


class PacedPictures:
    """Simulates a live source of given pictures at a frame rate."""

    def __init__(self, pictures, *, fps=100.0, real_fps=100.0, live=True):
        self.info = StreamInfo(*pictures[0].shape, fps, live)
        self._pictures, self._period_s, self.closed = pictures, 1 / real_fps, False

    def __iter__(self):
        for index, picture in enumerate(self._pictures):
            if self.closed:
                return
            time.sleep(self._period_s)
            now_ns = time.perf_counter_ns()
            yield Frame(picture, index, now_ns, Origin(timestamp_ns=index, corrected_ns=now_ns - 2_000_000))

    def close(self):
        self.closed = True


@lru_cache(1)
def _moving():
    return [screens.screen(INSIDE, seed) for seed in range(30)]


def moving(count):
    return [_moving()[number % 30] for number in range(count)]


def test_a_good_source_is_let_be():
    report = inspect_source(PacedPictures(moving(30), live=False), seconds=60)
    assert (report.frames, report.duplicates, report.combed, report.events) == (30, 0, 0, {})
    assert report.sector.kind.value == "linear"
    assert report.format == "a recording"
    assert advice(report) == []


def test_repeated_frames_are_seen():
    report = inspect_source(PacedPictures([picture for picture in moving(10) for _ in range(3)], live=False), seconds=60)
    assert report.duplicates == pytest.approx(20 / 30)
    assert "67% of the frames repeat the one before" in advice(replace(report, real_fps=60.0))[0]
    assert "the scanner runs at 20 fps" in advice(replace(report, real_fps=60.0))[0]


def woven(first, second):
    """Interlace two pictures into one frame."""
    picture = first.copy()
    picture[1::2] = second[1::2]
    return picture


def test_lines_of_two_moments_are_seen():
    rows = np.arange(240)[:, None] + np.zeros((1, 320))
    shown = [(128 + 100 * np.sin((rows + np.arange(320)[None] + 9 * k) / 12)).astype(np.uint8) for k in range(41)]
    interlaced = [woven(shown[2 * k], shown[2 * k + 1]) for k in range(20)]
    assert inspect_source(PacedPictures(interlaced, live=False), 60).combed > 0.9
    assert inspect_source(PacedPictures(shown[::2], live=False), 60).combed == 0
    assert any(
        "set the scanner's output to progressive" in line
        for line in advice(inspect_source(PacedPictures(interlaced, live=False), 60))
    )


def test_nothing_that_moves_is_not_combed():
    assert not is_combed(np.zeros((9, 9), np.uint8), np.zeros((9, 9), bool))


def test_a_rate_that_is_not_what_it_says():
    report = inspect_source(PacedPictures(moving(60), fps=1000.0, real_fps=40.0), seconds=0.5)
    assert 1 < report.real_fps < 41
    assert any(f"it says 1000 fps and gives {report.real_fps:.4g}: say --fps" in line for line in advice(report))


WELL = SourceReport(
    StreamInfo(480, 640, 60.0, live=True), real_fps=60.0, jitter_ms=1.0, sector=box_sector((60, 80, 150, 160), (240, 320))
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"real_fps": 30.0, "usb_mbit": 480.0}, "gives 30: say --fps 30; its USB port runs at 480 Mbit/s: use a blue one"),
        ({"real_fps": 75.0}, "say --fps 75"),
        ({"damaged": 3}, "3 pictures were damaged"),
        ({"jitter_ms": 12.0}, "frames come unevenly (deviation 12 ms)"),
        ({"clock_jumps": 2}, "its clock jumped 2 times"),
        ({"events": {"lost": 2}}, "2 times lost while it was watched"),
        ({"sector": None}, "say --sector off"),
    ],
)
def test_each_trouble_has_its_remedy(change, words):
    said = advice(replace(WELL, **change))
    assert len(said) == (words is not None)
    assert words is None or words in said[0]


def test_a_source_that_is_lost_on_the_way_is_told():
    links = [FakeLink(20, size=(48, 64)), FakeLink(20, ENDS, size=(48, 64))]
    report = inspect_source(ReconnectingSource(lambda: links.pop(0), FAST), seconds=60)
    assert report.events == {"lost": 1}


def test_a_source_without_frames_is_an_error():
    with pytest.raises(SourceError, match="gave no frame while it was watched: check"):
        inspect_source(ReconnectingSource(lambda: FakeLink(0, ENDS), FAST), seconds=0.5)


def test_frames_that_wait_in_a_buffer_are_counted():
    class BufferedPictures(PacedPictures):
        """Simulates a source with a frame each 50 ms and a buffer of five frames."""

        def __iter__(self):
            started, index = time.perf_counter(), 0
            while not self.closed:
                due = int((time.perf_counter() - started) / 0.05)
                index = max(index, due - 5)
                time.sleep(max(0.0, started + index * 0.05 - time.perf_counter()))
                yield Frame(self._pictures[index % len(self._pictures)], index, time.perf_counter_ns())
                index += 1

    report = inspect_source(BufferedPictures(moving(3), fps=20.0), seconds=0.3)
    assert 3 <= report.stale <= 10  # not all twenty frames of a second


def test_the_command_shows_it_without_a_secret():
    scene = Scene("http", fps=30)
    address = scene.url.replace("//", "//user:geheim@")
    done = CliRunner().invoke(app, ["doctor", "--source", address, "--seconds", "1"])
    scene.close()
    assert done.exit_code == 0, done.output
    assert "mpjpeg, mjpeg, gray" in done.output
    assert "say --fps" in done.output  # FFmpeg guesses 25 fps
    assert "geheim" not in done.output


def test_the_damaged_pictures_and_clock_jumps_of_a_stream_are_counted():
    scene = Scene("tcp", fps=30)
    source = open_source(scene.url)
    try:
        source.link.statistics.damaged, source.link.clock.jumps = 3, 2  # as its decoder and its clock count them
        report = inspect_source(source, seconds=0.3)
    finally:
        source.close()
        scene.close()
    assert report.damaged >= 3
    assert report.clock_jumps >= 2
    assert "h264" in report.format


def test_the_modes_of_a_camera_are_rows_with_the_chosen_one_and_the_reason(monkeypatch):
    slow, quick = CaptureMode("yuyv", 48, 64, 5.0), CaptureMode("mjpeg", 48, 64, 50.0)
    pictures = [raw_of(np.roll(GREY, number, 1), "mjpeg") for number in range(20)]
    monkeypatch.setattr(v4l2, "list_modes", lambda _path: [slow, quick])
    monkeypatch.setattr(v4l2, "_open", lambda _path: FakeCapture(slow, quick, pictures=pictures))
    monkeypatch.setattr(camera.sys, "platform", "linux")
    answer = CliRunner().invoke(app, ["doctor", "--source", "camera:0", "--seconds", "0.5"], env={"COLUMNS": "200"})
    assert answer.exit_code == 0, answer.output
    rows = [[cell.strip() for cell in line.split("│")[1:3]] for line in answer.output.splitlines() if line.count("│") == 3]
    assert ["chosen because", "it is the fastest; slower: yuyv 64x48 at 5 fps"] in rows
    place = rows.index(["modes of the driver", "yuyv 64x48 at 5 fps"])
    assert rows[place + 1] == ["", "mjpeg 64x48 at 50 fps"]
    assert "mjpeg 64x48 at 50 fps" in dict(rows)["format"]
