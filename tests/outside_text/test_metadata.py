"""Test that metadata not in UTF-8 stop no video, from any kind of source."""

import ast
import os
import threading
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from claims.checkout import ROOT, modules

from rtseg.sources import open_source
from rtseg.sources.live.stdin import open_stdin

pytestmark = pytest.mark.attack

FRAMES = 5
CODECS = {".mkv": "ffv1", ".avi": "mjpeg", ".mp4": "mpeg4"}


def film(path: Path) -> Path:
    """Write a video of five frames whose title is in Latin-1."""
    with av.open(str(path), "w", metadata_encoding="latin-1") as container:
        container.metadata["title"] = "Müller, Größe"
        stream = container.add_stream(CODECS[path.suffix], rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if stream.name == "mjpeg" else "yuv420p"
        for index in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * index, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    assert "Müller".encode("latin-1") in path.read_bytes()
    return path


@pytest.fixture(params=sorted(CODECS))
def latin1(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return film(tmp_path / f"latin1{request.param}")


def test_a_file_with_latin_1_metadata_plays(latin1: Path):
    with closing(open_source(str(latin1))) as source:
        assert len(list(source)) == FRAMES


def test_standard_input_with_latin_1_metadata_plays(tmp_path: Path):
    with film(tmp_path / "latin1.mkv").open("rb") as file, closing(open_stdin(file.fileno())) as source:
        assert len(list(source)) == FRAMES


def test_a_pipe_with_latin_1_metadata_plays(tmp_path: Path):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(film(tmp_path / "latin1.mkv").read_bytes())  # less than the capacity of a pipe
    with closing(open_stdin(reading)) as source:
        assert len(list(source)) == FRAMES
    os.close(reading)


def test_http_with_latin_1_metadata_plays(latin1: Path):
    handler = partial(_QuietHandler, directory=str(latin1.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with closing(open_source(f"http://127.0.0.1:{server.server_port}/{latin1.name}")) as source:
                assert len(list(source)) == FRAMES
        finally:
            server.shutdown()
            thread.join()


def test_every_container_is_opened_with_replaced_characters():
    missing = [
        f"{path}:{call.lineno}"
        for path in modules()
        for call in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "av.open"
        if "replace" not in [ast.literal_eval(word.value) for word in call.keywords if word.arg == "metadata_errors"]
    ]
    assert not missing


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
