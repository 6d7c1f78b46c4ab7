"""Tests the glass-to-glass measurement: stamps survive coding and overlay, and an artificial delay is measured."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.bench.line import graycode
from rtseg.bench.line.glass_to_glass import StampedSource, StampReader, measure_glass_to_glass
from rtseg.bench.line.graycode import BITS, UNIT_NS, WRAP, draw_stamp, elapsed_ms, read_stamp
from rtseg.cli.app import app
from rtseg.engines.load import load_engine
from rtseg.errors import ReportError
from rtseg.frame import Frame, Segmentation
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.sources import open_source
from rtseg.trace import LatencyTrace

MS = 1_000_000
SOURCE = "synthetic:vessel?height=240&width=480&frames=20"


class WaitableClock:
    """Simulates a clock that advances only by `wait`."""

    def __init__(self):
        self.now_ns = 5_000_000 * MS

    def __call__(self):
        return self.now_ns

    def wait(self, seconds):
        self.now_ns += round(seconds * 1e9)


def noise(shape):
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8)


@pytest.mark.parametrize("number", [0, 1, 2, 12345, WRAP - 1, WRAP // 2, WRAP // 2 - 1])
@pytest.mark.parametrize("shape", [(240, 480), (721, 1283, 3)])
def test_a_stamp_is_read_as_it_was_written(number, shape):
    image = noise(shape)
    assert read_stamp(draw_stamp(image, number * UNIT_NS)) == number
    assert read_stamp(draw_stamp(image, (number + WRAP) * UNIT_NS)) == number


def test_the_picture_itself_is_left_alone():
    image = noise((240, 480))
    before = image.copy()
    stamped = draw_stamp(image, 0)
    assert np.array_equal(image, before)
    assert np.array_equal(stamped[40:], image[40:])


def test_a_picture_without_a_stamp_has_none():
    assert read_stamp(np.zeros((240, 480), np.uint8)) is None
    assert read_stamp(np.full((240, 480, 3), 255, np.uint8)) is None
    assert read_stamp(noise((240, 480))) is None


def test_a_damaged_cell_is_seen():
    stamped = draw_stamp(noise((240, 480)), 77 * UNIT_NS)
    place = graycode.stamp_strip(240, 480)
    left = place.left + 5 * place.cell_width
    stamped[: place.cell_height, left : left + place.cell_width] ^= 255
    assert read_stamp(stamped) is None


def test_a_screen_caught_while_it_changes_reads_as_before_or_after():
    for number in (7, 1023, WRAP // 2 - 1):
        before, after = (draw_stamp(noise((240, 480)), (number + step) * UNIT_NS) for step in (0, 1))
        differs = np.flatnonzero((before != after).any(0))
        place = graycode.stamp_strip(240, 480)
        cells = {int(column - place.left) // place.cell_width for column in differs}
        assert len(cells) == 2  # the changed bit and the parity
        assert read_stamp(before) == number
        assert read_stamp(after) == number + 1


def test_it_survives_coding_and_scaling():
    stamped = draw_stamp(cv2.GaussianBlur(noise((720, 1280)), (0, 0), 3), 654321 * UNIT_NS)
    _, coded = cv2.imencode(".jpg", stamped, [cv2.IMWRITE_JPEG_QUALITY, 30])
    assert read_stamp(cv2.resize(cv2.imdecode(coded, 0), (960, 540), interpolation=cv2.INTER_AREA)) == 654321 % WRAP


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 7])
def test_it_is_read_through_a_mask_that_lies_over_it(classes):
    frame = Frame(draw_stamp(noise((240, 480)), 4711 * UNIT_NS), 0, 0)
    names = tuple(f"class {place}" for place in range(classes))
    for label in range(1, classes + 1):
        labels = np.zeros((240, 480), np.uint8)
        labels[:60, 150 : 160 + 40 * label] = label
        segmentation = Segmentation(labels, names, (0.9,) * classes)
        assert read_stamp(Overlay().draw(Result(frame, segmentation, LatencyTrace(0)))) == 4711


def test_a_contour_that_crosses_the_stamp_hides_none_of_it():
    """Check masks whose contours cross many cells of the strip."""
    random = np.random.default_rng(1)
    for number in random.integers(WRAP, size=30).tolist():
        waves = cv2.GaussianBlur(random.random((240, 480)).astype(np.float32), (0, 0), 7)
        segmentation = Segmentation((waves > np.median(waves)).astype(np.uint8), ("lumen",), (0.9,))
        frame = Frame(draw_stamp(noise((240, 480)), number * UNIT_NS), 0, 0)
        assert read_stamp(Overlay().draw(Result(frame, segmentation, LatencyTrace(0)))) == number


def test_time_goes_round():
    assert elapsed_ms((WRAP + 5) * UNIT_NS, WRAP - 10) == 15
    assert elapsed_ms(100 * UNIT_NS + 500_000, 100) == 0.5
    assert BITS == 20


@pytest.mark.parametrize("delay_ms", [0, 40, 250])
def test_the_loop_reads_the_delay_that_was_planted(delay_ms):
    clock = WaitableClock()
    overlay = StampReader(Overlay(notice=False), clock=clock)
    source = StampedSource(open_source(SOURCE), delay_ms, clock=clock, wait=clock.wait)
    overlay.open(source.info)
    frames = list(_drawn(source, overlay, clock, line_ms=12))
    assert len(frames) == overlay.elapsed.count == 20
    figures = overlay.elapsed.summary()
    assert figures["max"] == pytest.approx(delay_ms + 12, abs=2)
    assert figures["mean"] == pytest.approx(delay_ms + 12, abs=2)
    assert overlay.unread == 0


def _drawn(source, sink, clock, line_ms):
    for frame in source:
        assert frame.captured_ns == clock()
        clock.wait(line_ms / 1000)
        labels = np.zeros(frame.image.shape, np.uint8)
        labels[60:180, 100:400] = 1
        sink.write(Result(frame, Segmentation(labels, ("lumen",), (0.9,)), LatencyTrace(frame.captured_ns)))
        yield frame


def test_the_true_loop_takes_no_less_than_the_delay(tiny):
    engine = load_engine(tiny)
    figures = measure_glass_to_glass(StampedSource(open_source(SOURCE), 60.0), Session(engine), warmup=2)
    engine.close()
    assert figures["frames"] == 18
    assert figures["unread"] == 0
    assert figures["glass_to_glass_ms"]["p50"] >= 60
    assert figures["glass_to_glass_ms"]["p50"] > figures["line_ms"]["p50"]


def test_a_stream_without_a_stamp_is_said_to_have_none(tiny):
    engine = load_engine(tiny)
    with pytest.raises(ReportError, match="no time stamp was read"):
        measure_glass_to_glass(open_source(SOURCE), Session(engine))
    engine.close()


def test_the_command_tells_and_writes(tiny, tmp_path):
    path = tmp_path / "loop.json"
    done = CliRunner().invoke(app, ["bench", "--loop", SOURCE, "--model", str(tiny), "--frames", "12", "--json", str(path)])
    assert done.exit_code == 0, done.output
    assert "glass to glass" in done.output
    report = json.loads(path.read_text())
    assert report["frames"] >= 1
    assert report["machine"]["cores"] >= 1
