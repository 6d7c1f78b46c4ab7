"""Clips: every picture at its time, playable whatever happened."""

import os
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import results

from rtseg.errors import ConfigError, ImageError, SinkError
from rtseg.overlay import Overlay
from rtseg.sinks import VideoSink
from rtseg.sinks.encoder import TICKS, Encoder

BARE = {"legend": False, "latency": False, "notice": False}


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    """No thread and no file handle outlives a test."""
    Overlay().draw(results.result(np.zeros((500, 500), np.uint8)))  # the kernels' own threads stay
    threads, handles = set(threading.enumerate()), set(_handles())
    yield
    assert set(threading.enumerate()) == threads
    assert set(_handles()) <= handles


def _handles():
    """The files of pytest's folders that are open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [str(link.readlink()) for link in links if "pytest-of" in os.path.realpath(link) or "full" in os.path.realpath(link)]


def _sink(path, **options):
    return VideoSink(path, Overlay(0.0, 0, **BARE), **options)


def _write(sink, indices=range(12), info=None, **options):
    sink.open(info or results.stream())
    for index in indices:
        sink.write(results.result(index=index, **options))
    sink.close()


def _frames(path):
    """(time in seconds, picture) of each frame of a clip."""
    with av.open(str(path)) as clip:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
def test_every_frame_comes_back_at_its_time(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    _write(_sink(path, crf=10), range(5, 35))
    frames = _frames(path)
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
    ((_, picture),) = _frames(tmp_path / "clip.mp4")
    np.testing.assert_allclose(picture[24, 32], overlay.draw(shown)[24, 32], atol=4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 64), (49, 63), (17, 16)])
def test_odd_sizes_are_made_even_by_repeating_the_edge(tmp_path, height, width):
    image = np.full((height, width), 40, np.uint8)
    image[-1, :] = image[:, -1] = 200
    sink = _sink(tmp_path / "clip.mp4", crf=0)
    sink.open(results.stream(height, width))
    sink.write(results.result(image))
    sink.close()
    ((_, picture),) = _frames(tmp_path / "clip.mp4")
    assert picture.shape == (height + height % 2, width + width % 2, 3)
    np.testing.assert_allclose(picture[:, -1], 200, atol=2)
    np.testing.assert_allclose(picture[-1], 200, atol=2)


def test_dropped_frames_leave_the_time_right(tmp_path):
    _write(_sink(tmp_path / "clip.mp4"), [0, 1, 5, 6, 40])
    assert [time for time, _ in _frames(tmp_path / "clip.mp4")] == pytest.approx([0, 0.1, 0.5, 0.6, 4.0], abs=1e-3)


def test_an_index_that_goes_back_does_not_break_the_clip(tmp_path):
    _write(_sink(tmp_path / "clip.mp4"), [0, 1, 2, 0, 1, 2, 3])
    assert len(_frames(tmp_path / "clip.mp4")) == 7


def test_live_frames_stand_where_they_were_captured(tmp_path):  # four fit into the queue
    sink = _sink(tmp_path / "clip.mp4")
    sink.open(results.stream(live=True))
    for index, seconds in enumerate([100, 100.04, 100.5, 103]):
        sink.write(results.result(index=index, captured_ns=int(seconds * results.SECOND_NS)))
    sink.close()
    assert [time for time, _ in _frames(tmp_path / "clip.mp4")] == pytest.approx([0, 0.04, 0.5, 3], abs=1e-3)


@pytest.fixture
def slow(monkeypatch):
    """An encoder that waits for this event."""
    gate, add = threading.Event(), Encoder.add
    monkeypatch.setattr(Encoder, "add", lambda self, *item: (gate.wait(), add(self, *item)))
    return gate


def test_a_live_stream_never_waits_and_counts_what_is_left_out(tmp_path, slow):
    sink = _sink(tmp_path / "clip.mp4", crf=10)
    sink.open(results.stream(live=True))
    for index in range(30):
        sink.write(results.result(index=index, captured_ns=index * results.SECOND_NS // 10))
    slow.set()
    sink.close()
    pictures = [round(picture.mean()) for _, picture in _frames(tmp_path / "clip.mp4")]
    assert sink.dropped == 30 - len(pictures) > 20
    assert pictures == pytest.approx(range(len(pictures)), abs=2)


def test_a_file_waits_and_nothing_is_left_out(tmp_path, slow):
    sink = _sink(tmp_path / "clip.mp4", crf=10)
    threading.Timer(0.1, slow.set).start()
    _write(sink, range(30))
    assert sink.dropped == 0
    assert [picture.mean() for _, picture in _frames(tmp_path / "clip.mp4")] == pytest.approx(range(30), abs=2)


def test_a_frame_of_another_size_is_fitted_in(tmp_path):
    sink = _sink(tmp_path / "clip.mp4", crf=0)
    sink.open(results.stream())
    sink.write(results.result())
    sink.write(results.result(np.full((100, 100), 200, np.uint8), index=1))
    sink.close()
    _, (_, picture) = _frames(tmp_path / "clip.mp4")
    np.testing.assert_allclose(picture[:, 8:56], 200, atol=2)
    np.testing.assert_allclose(picture[:, :8], 0, atol=2)
    np.testing.assert_allclose(picture[:, 56:], 0, atol=2)


def test_a_stream_without_frames_leaves_a_clip_without_frames(tmp_path):
    _write(_sink(tmp_path / "clip.mp4"), [])
    assert _frames(tmp_path / "clip.mp4") == []


def test_a_sink_can_be_opened_again_and_closed_twice(tmp_path):
    sink = _sink(tmp_path / "clip.mp4")
    sink.close()
    _write(sink, range(20))
    sink.open(results.stream())
    _write(sink, range(3))
    sink.close()
    assert len(_frames(tmp_path / "clip.mp4")) == 3


def test_a_result_that_cannot_be_drawn_costs_that_result_alone(tmp_path):
    sink = _sink(tmp_path / "clip.mp4")
    sink.open(results.stream())
    for index in range(40):
        sink.write(results.result(index=index))
        with pytest.raises(ImageError):
            sink.write(results.result(labels=np.zeros((5, 5), np.uint8)))
    sink.close()
    assert len(_frames(tmp_path / "clip.mp4")) == 40


def test_an_error_of_the_encoder_comes_out_of_write_and_not_again(tmp_path, monkeypatch):
    sink = _sink(tmp_path / "clip.mkv")
    sink.open(results.stream())
    sink.write(results.result())
    monkeypatch.setattr(av.container.OutputContainer, "mux", _disk_is_full)
    with pytest.raises(SinkError, match=r"No space left on device.*free some space"):
        _keep_writing(sink, [])
    sink.close()


def _keep_writing(sink, written):
    for index in range(10_000):
        sink.write(_noise(index))
        written.append(index)


def _disk_is_full(container, packets):
    raise OSError(28, "No space left on device")


def test_an_error_of_the_encoder_comes_out_of_close_and_the_file_is_finished(tmp_path, monkeypatch):
    sink, add = _sink(tmp_path / "clip.mp4"), Encoder.add

    def breaks_on_the_third(encoder, picture, ticks):
        if ticks == 2 * 9000:
            raise SinkError("the third")
        add(encoder, picture, ticks)

    monkeypatch.setattr(Encoder, "add", breaks_on_the_third)
    sink.open(results.stream())
    for index in range(3):
        sink.write(results.result(index=index))
    with pytest.raises(SinkError, match="the third"):
        sink.close()
    assert len(_frames(tmp_path / "clip.mp4")) == 2


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_disk_that_is_full_from_the_start(tmp_path, suffix):
    (tmp_path / f"full{suffix}").symlink_to("/dev/full")
    sink = _sink(tmp_path / f"full{suffix}")
    with pytest.raises(SinkError, match=r"No space left on device.*free some space"):
        _write(sink, range(50))
    sink.close()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_disk_that_fills_up_leaves_a_clip_that_plays(tmp_path, suffix):
    sink = _sink(tmp_path / f"clip{suffix}")
    sink.open(results.stream())
    written = []
    with results.largest_file(60_000), pytest.raises(SinkError, match=r"File too large.*free some space"):
        _keep_writing(sink, written)
    sink.close()
    assert len(written) / 3 < len(_frames_before_the_break(tmp_path / f"clip{suffix}")) <= len(written)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("fps", [10, 100])
def test_a_clip_can_be_watched_while_it_is_written(tmp_path, suffix, fps):
    path = tmp_path / f"clip{suffix}"
    encoder = Encoder(path, (48, 64), fps)
    for index in range(100):  # ten seconds: with a rate of 100, most are dropped
        encoder.add(np.full((48, 64, 3), index, np.uint8), index * TICKS // 10)
    assert len(_frames_before_the_break(path)) >= 75
    encoder.close()
    with av.open(str(path)) as clip:
        keys = [float(frame.time) for frame in clip.decode(video=0) if frame.key_frame]
    assert keys == pytest.approx(range(10), abs=1e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_process_leaves_a_clip_that_plays_up_to_its_last_second(tmp_path, suffix):
    code = f"""
import itertools, results, test_video
sink = test_video._sink("clip{suffix}")
sink.open(results.stream())
for index in itertools.count():
    sink.write(test_video._noise(index))
    print(index, flush=True)
"""
    with results.process(code, tmp_path) as process:
        written = [process.stdout.readline() for _ in range(100)]
        process.kill()
    assert written[-1] == b"99\n"
    frames = _frames_before_the_break(tmp_path / f"clip{suffix}")
    assert len(frames) >= 75  # of ten a second: a second's piece, the queue, and what x264 looks ahead
    assert [time for time, _ in frames] == pytest.approx([i / 10 for i in range(len(frames))], abs=1e-3)
    assert [picture[:, :8].mean() for _, picture in frames] == pytest.approx([i % 200 for i in range(len(frames))], abs=8)


def _noise(index):
    """A picture that takes room, with a bar whose grey tells its index."""
    image = np.random.default_rng(index).integers(0, 256, (48, 64), np.uint8)
    image[:, :16] = index % 200
    return results.result(image, index=index)


def _frames_before_the_break(path):
    """What a player shows of a clip whose end is missing."""
    frames = []
    with av.open(str(path)) as clip:
        try:
            for frame in clip.decode(video=0):
                frames.append((float(frame.time), frame.to_ndarray(format="rgb24")))
        except av.InvalidDataError:
            pass
    return frames


def test_names_that_cannot_be_written(tmp_path):
    with pytest.raises(SinkError, match=r"clip.avi is no kind of video.*\.mp4, \.mov, \.mkv"):
        VideoSink("clip.avi")
    with pytest.raises(SinkError, match=r"no folder .*missing for clip.mp4: make it"):
        VideoSink(tmp_path / "missing" / "clip.mp4").open(results.stream())
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(SinkError, match=r"Is a directory.*name a file in a folder you may write to"):
        VideoSink(tmp_path / "folder.mp4").open(results.stream())


def test_pictures_too_large_for_h264(tmp_path):
    with pytest.raises(SinkError, match=r"H.264 of 20000x20 pixels.*at most 16384 pixels a side"):
        VideoSink(tmp_path / "clip.mp4").open(results.stream(20, 20000))


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none(tmp_path, fps):
    with pytest.raises(SinkError, match=f"{fps} frames a second cannot be written: set the source's frame rate"):
        VideoSink(tmp_path / "clip.mp4").open(results.stream(fps=fps))
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize("options", [{"crf": 52}, {"crf": -1}, {"preset": "quick"}])
def test_wrong_settings(options):
    with pytest.raises(ConfigError, match="give a crf of 0 to 51 and one of ultrafast, "):
        VideoSink("clip.mp4", **options)


def test_write_before_open(tmp_path):
    with pytest.raises(SinkError, match="call open"):
        VideoSink(tmp_path / "clip.mp4").write(results.result())
