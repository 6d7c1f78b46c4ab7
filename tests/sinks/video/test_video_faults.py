"""Clips stay playable after every fault, and errors state a remedy."""

import av
import numpy as np
import pytest
import results
from sinks.clips import frames_of, sink_of, write

from rtseg.errors import ConfigError, ImageError, SinkError
from rtseg.sinks import VideoSink
from rtseg.sinks.video.encoder import TICKS, Encoder

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


def test_a_result_that_cannot_be_drawn_costs_that_result_alone(tmp_path):
    sink = sink_of(tmp_path / "clip.mp4")
    sink.open(results.stream())
    for index in range(40):
        sink.write(results.result(index=index))
        with pytest.raises(ImageError):
            sink.write(results.result(labels=np.zeros((5, 5), np.uint8)))
    sink.close()
    assert len(frames_of(tmp_path / "clip.mp4")) == 40


def test_an_error_of_the_encoder_comes_out_of_write_and_not_again(tmp_path, monkeypatch):
    sink = sink_of(tmp_path / "clip.mkv")
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
    sink, add = sink_of(tmp_path / "clip.mp4"), Encoder.add

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
    assert len(frames_of(tmp_path / "clip.mp4")) == 2


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_disk_that_is_full_from_the_start(tmp_path, suffix):
    (tmp_path / f"full{suffix}").symlink_to("/dev/full")
    sink = sink_of(tmp_path / f"full{suffix}")
    with pytest.raises(SinkError, match=r"No space left on device.*free some space"):
        write(sink, range(50))
    sink.close()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_disk_that_fills_up_leaves_a_clip_that_plays(tmp_path, suffix):
    sink = sink_of(tmp_path / f"clip{suffix}")
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
import itertools, results, test_video_faults
sink = test_video_faults.sink_of("clip{suffix}")
sink.open(results.stream())
for index in itertools.count():
    sink.write(test_video_faults._noise(index))
    print(index, flush=True)
"""
    with results.process(code, tmp_path) as process:
        written = [process.stdout.readline() for _ in range(100)]
        process.kill()
    assert written[-1] == b"99\n"
    frames = _frames_before_the_break(tmp_path / f"clip{suffix}")
    assert len(frames) >= 75  # at 10 fps: a fragment, the queue and x264's lookahead may be lost
    assert [time for time, _ in frames] == pytest.approx([i / 10 for i in range(len(frames))], abs=1e-3)
    assert [picture[:, :8].mean() for _, picture in frames] == pytest.approx([i % 200 for i in range(len(frames))], abs=8)


def _noise(index):
    """Return a noisy image, which compresses badly, with a bar whose gray level encodes the index."""
    image = np.random.default_rng(index).integers(0, 256, (48, 64), np.uint8)
    image[:, :16] = index % 200
    return results.result(image, index=index)


def _frames_before_the_break(path):
    """Decode the frames of a clip whose end is missing."""
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
