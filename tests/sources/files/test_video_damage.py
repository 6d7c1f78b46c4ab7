"""Tests video files that are cut off, damaged, or no video, and that nothing of them stays open."""

import gc
import os
import re
import resource
import threading

import av
import numpy as np
import pytest
from sources.damage import cut, drain

from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.sources import open_source
from rtseg.sources.files.video import VideoFile
from rtseg.system.machine import available_cores


@pytest.mark.parametrize(
    ("name", "movflags"), [("a.mp4", "faststart"), ("a.mkv", None), ("a.avi", None), ("a.mov", "faststart")]
)
@pytest.mark.parametrize("share", [0.95, 0.7])
def test_a_truncated_file_gives_its_frames_and_then_an_error(write_video, name, movflags, share):
    frames = np.random.default_rng(0).integers(0, 256, (40, 48, 64), np.uint8)
    path = cut(write_video(name, frames, movflags=movflags, options={"g": "10"}), share)
    read, error = drain(open_source(str(path)))
    assert 40 * share - 6 < len(read) < 40
    assert [frame.index for frame in read] == list(range(len(read)))
    assert str(path) in str(error)
    assert f"{len(read)} frames could be read" in str(error)
    assert "repair" in str(error)


def test_a_packet_cut_short_costs_that_frame_alone(write_video):
    frames = np.random.default_rng(0).integers(0, 256, (40, 48, 64), np.uint8)
    path = cut(write_video("a.mp4", frames, movflags="faststart"), 0.97)
    with av.open(str(path)) as container:
        whole = sum(1 for packet in container.demux(video=0) if packet.size and not packet.is_corrupt)
    read, error = drain(open_source(str(path)))
    assert len(read) == whole
    assert "1 lost" in str(error)


def test_a_recording_that_was_never_finished_says_so_at_once(write_video, grey_frames):
    path = cut(write_video("a.mp4", grey_frames), 0.6)
    with pytest.raises(SourceError, match=r"a\.mp4 .*finished"):
        open_source(str(path))


def test_damage_in_the_middle_is_passed_over_and_counted(write_video):
    frames = np.random.default_rng(0).integers(0, 256, (40, 48, 64), np.uint8)
    path = write_video("a.mp4", frames, options={"g": "5"}, movflags="faststart")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    read, error = drain(open_source(str(path)))
    assert 25 < len(read) <= 40
    assert re.search(r"damaged or cut off: \d+ frames could be read \(\d+ (lost|damaged)", str(error))
    assert np.abs(read[-1].image.astype(int) - frames[-1]).mean() < 20


def test_a_lost_frame_is_counted_and_the_next_ones_come(write_video):
    frames = np.random.default_rng(0).integers(0, 256, (12, 48, 64), np.uint8)
    path = write_video("a.avi", frames, codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data) - 3) if data[at : at + 3] == b"\xff\xd8\xff"]
    data[starts[5] : starts[6] - 8] = bytes(starts[6] - 8 - starts[5])  # the sixth JPEG, its chunk's header left whole
    path.write_bytes(data)
    read, error = drain(open_source(str(path)))
    assert len(read) == 11
    assert [frame.index for frame in read] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]  # indices do not shift
    assert np.abs(read[5].image.astype(int) - frames[6]).mean() < 20
    assert "1 lost" in str(error)


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize("name", ["notes.mp4", "empty.mp4", "notes.txt", "page.m3u8"])
def test_what_is_not_a_video_is_refused(tmp_path, name):
    content = {"empty.mp4": b"", "page.m3u8": PLAYLIST}.get(name, b"hello " * 500)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot be read as a video|has no video|has no frame"):
        VideoFile(tmp_path / name)


def test_sound_alone_is_refused(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(SourceError, match="no video that can be decoded"):
        VideoFile(path)


def test_missing_folders_and_unreadable_files(tmp_path, write_video, grey_frames, monkeypatch):
    with pytest.raises(SourceNotFound, match=r"gone\.mp4 does not exist"):
        open_source(str(tmp_path / "gone.mp4"))
    with pytest.raises(SourceError, match="is not a file"):
        VideoFile(tmp_path)
    fifo = tmp_path / "pipe.mp4"
    os.mkfifo(fifo)
    with pytest.raises(SourceError, match="is not a file"):
        open_source(str(fifo))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    path = write_video("a.mp4", grey_frames)
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(SourceError, match="Permission denied"):
        open_source(str(path))


@pytest.mark.parametrize("fps", [0, -1, float("nan"), 1e6])
def test_an_impossible_rate_or_spacing_is_refused_and_nothing_stays_open(write_video, grey_frames, own_threads, fps):
    path = write_video("a.mp4", grey_frames)
    with pytest.raises(ConfigError, match="frame rate"):
        open_source(str(path), fps=fps)
    with pytest.raises(ConfigError, match="pixel size"):
        open_source(str(path), spacing_mm=(0.1, fps if fps < 1 else -1))


def test_closing_midway_ends_the_threads_and_the_iteration(write_video, grey_frames, own_threads):
    path = write_video("a.mp4", grey_frames)
    drain(open_source(str(path)))  # starts the thread pools of a first use
    gc.collect()
    before = own_threads()
    source = open_source(str(path))
    frames = iter(source)
    assert [next(frames).index, next(frames).index] == [0, 1]
    assert own_threads() > before or available_cores() == 1  # FFmpeg decodes without threads of its own on one core
    source.close()
    source.close()
    assert own_threads() == before
    assert next(frames, None) is None
    assert list(source) == []


def test_closing_from_another_thread_while_reading(write_video, grey_frames):
    path = write_video("a.mkv", np.concatenate([grey_frames] * 4))
    for _ in range(10):
        source = open_source(str(path))
        closer = threading.Thread(target=source.close)
        read = 0
        for _frame in source:
            read += 1
            if read == 5:
                closer.start()
        closer.join()
        assert 5 <= read <= 120


def test_the_file_is_let_go_at_the_end(write_video, grey_frames, open_files):
    source = open_source(str(write_video("a.mp4", grey_frames)))
    before = open_files()
    drain(source)
    assert open_files() == before - 1


def test_frames_do_not_share_memory_and_are_stamped_in_order(write_video, grey_frames):
    read, _ = drain(open_source(str(write_video("a.mp4", grey_frames))))
    assert not np.shares_memory(read[0].image, read[1].image)
    stamps = [frame.captured_ns for frame in read]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)


def test_memory_is_flat(write_video):
    path = write_video(
        "a.mp4", np.random.default_rng(0).integers(0, 256, (10, 240, 320), np.uint8), options={"preset": "ultrafast"}
    )
    for _ in range(3):
        drain(open_source(str(path)))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        for _frame in open_source(str(path)):
            pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 8_000  # 200 frames are 15 MB
