"""Tests streams on standard input."""

import io
import os
import subprocess
import sys
import threading
from contextlib import closing

import av
import numpy as np
import pytest
from sources.links import link_threads, wait_until

from rtseg.connection import LinkState
from rtseg.errors import SourceError
from rtseg.frame import Frame
from rtseg.sources.live.stdin import open_stdin

CODED = {"yuv4mpegpipe": "rawvideo", "matroska": "libx264", "nut": "ffv1", "mpegts": "libx264"}


def stream(form, count=12, size=(48, 64)):
    """Return a coded stream in bytes whose gray level encodes the picture's number."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        coder = container.add_stream("wrapped_avframe" if form == "yuv4mpegpipe" else CODED[form], rate=30)
        coder.height, coder.width, coder.pix_fmt = *size, "yuv420p"
        for number in range(count):
            picture = av.VideoFrame.from_ndarray(np.full(size, 16 + 10 * number % 220, np.uint8), "gray").reformat(
                format="yuv420p"
            )
            container.mux(coder.encode(picture))
        container.mux(coder.encode(None))
    return out.getvalue()


@pytest.fixture
def pipe():
    """Yield a pipe's descriptor for reading and its file for writing."""
    reads, writes = os.pipe()
    writer = os.fdopen(writes, "wb", buffering=0)
    yield reads, writer
    writer.close()
    os.close(reads)
    wait_until(lambda: not link_threads())


@pytest.mark.parametrize("form", CODED)
def test_whatever_can_be_piped_is_read_to_its_end(form, pipe):
    reads, writer = pipe
    sender = threading.Thread(target=lambda: (writer.write(stream(form)), writer.close()))
    sender.start()
    with closing(open_stdin(reads)) as source:
        frames = list(source)
    sender.join(60)
    assert source.info.live
    assert [frame.index for frame in frames] == list(range(12))
    greys = [float(frame.image.mean()) for frame in frames]
    assert np.allclose(np.diff(greys), np.mean(np.diff(greys)), atol=1.5)
    assert source.state is LinkState.ENDED


def test_a_file_is_not_live_and_nothing_of_it_is_dropped(tmp_path):
    path = tmp_path / "scan.mkv"
    path.write_bytes(stream("matroska"))
    with path.open("rb") as file, closing(open_stdin(file.fileno())) as source:
        assert not source.info.live
        assert len(list(source)) == 12


def test_a_pipe_of_nonsense_is_one_clear_error(pipe):
    reads, writer = pipe
    writer.write(b"this is no video" * 100)
    writer.close()
    with pytest.raises(SourceError, match="standard input cannot be opened"):
        open_stdin(reads)


def test_an_empty_pipe_is_one_clear_error(pipe):
    reads, writer = pipe
    writer.close()
    with pytest.raises(SourceError, match="standard input cannot be opened"):
        open_stdin(reads)


def test_a_pipe_that_says_nothing_more_stalls_and_can_be_closed(pipe):
    reads, writer = pipe
    coded = stream("nut", 40)
    writer.write(coded[: len(coded) // 2])
    source = open_stdin(reads)
    seen: list[Frame] = []
    reader = threading.Thread(target=lambda: seen.extend(source))
    reader.start()
    wait_until(lambda: source.counts[LinkState.STALLED])
    assert source.state is LinkState.STALLED
    source.close()
    reader.join(60)
    assert not reader.is_alive()


def test_without_a_pipe_it_says_how_to_make_one():
    code = "import sys; sys.stdin = None\nfrom rtseg.sources import open_source\nopen_source('-')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "pipe one in, as in" in done.stderr
