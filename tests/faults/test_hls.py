"""Tests HTTP live streaming from a folder of segments on a web server, finished or still growing."""

import threading
from contextlib import closing
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import pytest
from faults.camera import ZERO_LATENCY
from faults.pictures import number_of, picture
from sources.links import link_threads, wait_until

from rtseg.connection import LinkState
from rtseg.errors import SourceError
from rtseg.sources import open_source

SIZE, FPS, A_SEGMENT = (144, 256), 10, 10  # pictures per second, and per segment


class SilentFileHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def folder(tmp_path):
    """Return an empty folder, and the address of its playlist on a web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SilentFileHandler, directory=tmp_path)) as server:
        serving = threading.Thread(target=server.serve_forever, name="test-web", daemon=True)
        serving.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}/live.m3u8"
        server.shutdown()
        serving.join(60)
    wait_until(lambda: not link_threads())


class Segments:
    """Writes numbered pictures as segments of one second; `close` finishes the playlist."""

    def __init__(self, path):
        options = {"hls_time": str(A_SEGMENT / FPS), "hls_list_size": "4", "hls_flags": "temp_file"}
        self._container = av.open(str(path / "live.m3u8"), "w", format="hls", options=options)
        self._stream = self._container.add_stream("libx264", rate=FPS, options=ZERO_LATENCY)
        self._stream.height, self._stream.width, self._stream.pix_fmt = *SIZE, "yuv420p"
        self._stream.codec_context.gop_size = A_SEGMENT
        self._count = 0

    def write(self, segments):
        for number in range(self._count, self._count + segments * A_SEGMENT):
            frame = av.VideoFrame.from_ndarray(picture(number, SIZE), "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            self._container.mux(self._stream.encode(frame))
        self._count += segments * A_SEGMENT

    @property
    def listed(self):
        """Return the number of pictures in the playlist, which lacks the unfinished newest segment."""
        return self._count - A_SEGMENT

    def close(self):
        self._container.mux(self._stream.encode(None))
        self._container.close()


def test_a_finished_list_is_played_to_its_end(folder):
    path, address = folder
    with closing(Segments(path)) as segments:
        segments.write(3)
    with closing(open_source(address)) as source:
        assert [number_of(frame.image) for frame in source] == list(range(3 * A_SEGMENT))
        assert source.state is LinkState.ENDED
        assert (source.info.height, source.info.width) == SIZE


def test_a_growing_list_is_joined_at_its_newest_segment_and_followed(folder):
    path, address = folder
    seen = []
    with closing(Segments(path)) as segments:
        segments.write(4)  # the last one is unfinished, and not yet in the playlist
        with closing(open_source(address)) as source:
            reader = threading.Thread(target=lambda: seen.extend(number_of(frame.image) for frame in source))
            reader.start()
            for _ in range(3):
                segments.write(1)
                newest = segments.listed - 3  # the last two pictures of a segment arrive with the next segment
                wait_until(lambda newest=newest: newest in seen)
            source.close()
            reader.join(60)
    assert not reader.is_alive()
    assert seen[0] >= 2 * A_SEGMENT
    assert seen == list(range(seen[0], seen[0] + len(seen)))


def test_a_list_that_leads_to_a_file_is_not_followed(folder):
    path, address = folder
    (path / "live.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(address)
