"""Each frame of a clip has the right image and presentation time."""

import threading
from dataclasses import replace

import av
import numpy as np
import pytest
import results
from sinks.clips import BARE, frames_of, sink_of, write

from rtseg.overlay import Overlay
from rtseg.sinks import VideoSink
from rtseg.sinks.video.encoder import Encoder

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
def test_every_frame_comes_back_at_its_time(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write(sink_of(path, crf=10), range(5, 35))
    frames = frames_of(path)
    assert [time for time, _ in frames] == pytest.approx([i / 10 for i in range(30)], abs=1e-3)
    assert [picture.mean() for _, picture in frames] == pytest.approx(range(5, 35), abs=2)
    with av.open(str(path)) as clip:
        codec = clip.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 64, 48)


def test_the_overlay_is_drawn_and_its_colours_last(tmp_path):
    overlay, shown = Overlay(1.0, **BARE), results.result()
    sink = VideoSink(tmp_path / "clip.mp4", overlay, crf=0)
    sink.open(results.stream())
    sink.write(shown)
    sink.close()
    assert shown.trace.stages_ns["overlay"] > 0
    ((_, picture),) = frames_of(tmp_path / "clip.mp4")
    np.testing.assert_allclose(picture[24, 32], overlay.draw(shown)[24, 32], atol=4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 64), (49, 63), (17, 16)])
def test_odd_sizes_are_made_even_by_repeating_the_edge(tmp_path, height, width):
    image = np.full((height, width), 40, np.uint8)
    image[-1, :] = image[:, -1] = 200
    sink = sink_of(tmp_path / "clip.mp4", crf=0)
    sink.open(results.stream(height, width))
    sink.write(results.result(image))
    sink.close()
    ((_, picture),) = frames_of(tmp_path / "clip.mp4")
    assert picture.shape == (height + height % 2, width + width % 2, 3)
    np.testing.assert_allclose(picture[:, -1], 200, atol=2)
    np.testing.assert_allclose(picture[-1], 200, atol=2)


def test_dropped_frames_leave_the_time_right(tmp_path):
    write(sink_of(tmp_path / "clip.mp4"), [0, 1, 5, 6, 40])
    assert [time for time, _ in frames_of(tmp_path / "clip.mp4")] == pytest.approx([0, 0.1, 0.5, 0.6, 4.0], abs=1e-3)


def test_an_index_that_goes_back_does_not_break_the_clip(tmp_path):
    write(sink_of(tmp_path / "clip.mp4"), [0, 1, 2, 0, 1, 2, 3])
    assert len(frames_of(tmp_path / "clip.mp4")) == 7


def test_live_frames_stand_where_they_were_captured(tmp_path):  # four fit into the queue
    sink = sink_of(tmp_path / "clip.mp4")
    sink.open(results.stream(live=True))
    for index, seconds in enumerate([100, 100.04, 100.5, 103]):
        sink.write(results.result(index=index, captured_ns=int(seconds * results.SECOND_NS)))
    sink.close()
    assert [time for time, _ in frames_of(tmp_path / "clip.mp4")] == pytest.approx([0, 0.04, 0.5, 3], abs=1e-3)


@pytest.fixture
def slow(monkeypatch):
    """Block the encoder until the returned event is set."""
    gate, add = threading.Event(), Encoder.add
    monkeypatch.setattr(Encoder, "add", lambda self, *item: (gate.wait(), add(self, *item)))
    return gate


def test_a_live_stream_never_waits_and_counts_what_is_left_out(tmp_path, slow):
    sink = sink_of(tmp_path / "clip.mp4", crf=10)
    sink.open(results.stream(live=True))
    for index in range(30):
        sink.write(results.result(index=index, captured_ns=index * results.SECOND_NS // 10))
    slow.set()
    sink.close()
    pictures = [round(picture.mean()) for _, picture in frames_of(tmp_path / "clip.mp4")]
    assert sink.dropped == 30 - len(pictures) > 20
    assert pictures[:4] == pytest.approx(range(4), abs=2)  # a fifth is that which came when the encoder took the first
    assert pictures == sorted(pictures)


def test_a_file_waits_and_nothing_is_left_out(tmp_path, slow):
    sink = sink_of(tmp_path / "clip.mp4", crf=10)
    threading.Timer(0.1, slow.set).start()
    write(sink, range(30))
    assert sink.dropped == 0
    assert [picture.mean() for _, picture in frames_of(tmp_path / "clip.mp4")] == pytest.approx(range(30), abs=2)


def test_a_frame_of_another_size_is_fitted_in(tmp_path):
    sink = sink_of(tmp_path / "clip.mp4", crf=0)
    sink.open(results.stream())
    sink.write(results.result())
    sink.write(results.result(np.full((100, 100), 200, np.uint8), index=1))
    sink.close()
    _, (_, picture) = frames_of(tmp_path / "clip.mp4")
    np.testing.assert_allclose(picture[:, 8:56], 200, atol=2)
    np.testing.assert_allclose(picture[:, :8], 0, atol=2)
    np.testing.assert_allclose(picture[:, 56:], 0, atol=2)


def test_a_stream_without_frames_leaves_a_clip_without_frames(tmp_path):
    write(sink_of(tmp_path / "clip.mp4"), [])
    assert frames_of(tmp_path / "clip.mp4") == []


def test_a_sink_can_be_opened_again_and_closed_twice(tmp_path):
    sink = sink_of(tmp_path / "clip.mp4")
    sink.close()
    write(sink, range(20))
    sink.open(results.stream())
    write(sink, range(3))
    sink.close()
    assert len(frames_of(tmp_path / "clip.mp4")) == 3


def test_a_clip_of_a_variable_rate_lasts_as_long_as_its_recording(tmp_path):
    times_ms = [0, 40, 80, 480, 520, 5000]
    sink = VideoSink(tmp_path / "a.mkv")
    sink.open(results.stream(fps=25.0))
    for index, ms in enumerate(times_ms):
        made = results.result(index=index)
        sink.write(replace(made, frame=replace(made.frame, presentation_ns=ms * 1_000_000)))
    sink.close()
    assert [round(1000 * time) for time, _ in frames_of(tmp_path / "a.mkv")] == times_ms


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("stated", [{"pixel_aspect": 2.0}, {"spacing_mm": (0.1, 0.2)}])
def test_a_clip_declares_pixels_that_are_not_square(tmp_path, suffix, stated):
    sink = VideoSink(tmp_path / f"a{suffix}")
    sink.open(replace(results.stream(), **stated))
    sink.write(results.result())
    sink.close()
    with av.open(str(tmp_path / f"a{suffix}")) as clip:
        assert clip.streams.video[0].sample_aspect_ratio == 2
