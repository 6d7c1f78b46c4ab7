"""Test the demo's input from outside: sources by name, files by content, and visitors."""

import hashlib
import struct
import threading
import time
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from waiting import until

from rtseg.demos.gradio_app.sources import ADDRESS, CAMERA, PROBE, UPLOAD, DemoProbe, SourceMenu
from rtseg.demos.gradio_app.uploads import UploadRefused, accept_upload, detect_suffix
from rtseg.demos.gradio_app.visitors import VisitorGone, Visitors
from rtseg.demos.gradio_app.webcam import BrowserCamera
from rtseg.errors import SourceError, ViewerRefused
from rtseg.sources.files.bundled_clips import bundled_clips

CLIP = bundled_clips()["carotid"]


def test_only_what_is_on_offer_is_opened():
    sources = SourceMenu()
    assert sources.titles == ["clip:carotid", PROBE, UPLOAD, CAMERA]
    for title in ("/etc/passwd", "clip:../x", "file:///etc/passwd", "synthetic:vessel?height=4320&width=7680", ADDRESS, ""):
        with pytest.raises(SourceError, match="there is no source"):
            sources.opener(title, "rtsp://x")
    assert isinstance(sources.opener(PROBE)(), DemoProbe)
    assert isinstance(sources.opener(CAMERA)(), BrowserCamera)
    with pytest.raises(SourceError, match="nothing was uploaded yet"):
        sources.opener(UPLOAD)


@pytest.mark.parametrize(
    "address",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "C:\\x",
        "clip:carotid",
        "concat:/etc/passwd|x",
        "",
        "-",
        "dicom:/x",
        "replay:/x",
        "~/x",
    ],
)
def test_an_address_never_leads_to_a_file(address):
    with pytest.raises(SourceError, match="an address begins with camera:, http:"):
        SourceMenu(any_address=True).opener(ADDRESS, address)


def test_an_address_that_may_be_opened_is():
    assert SourceMenu(any_address=True).opener(ADDRESS, " rtsp://10.0.0.1/x ")


def test_what_the_operator_offers_is_offered_by_name_and_plays_on():
    source = SourceMenu(own=[str(CLIP)]).opener(str(CLIP))()
    assert source.info.live
    source.close()


def png(height, width):
    """Return a PNG's header without its data, so that decoding it fails."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg(height, width):
    return b"\xff\xd8\xff\xe0\x00\x04ab" + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + bytes(20)


def uploaded(folder, content, name="x.bin"):
    path = folder / "gradio" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_clip_is_taken_in_by_its_content_and_loses_its_name(tmp_path):
    path = uploaded(tmp_path, CLIP.read_bytes(), "Jane Doe 1970.txt")
    kept = accept_upload(path, tmp_path)
    assert kept == tmp_path / "upload.mp4"
    assert not path.exists()


@pytest.mark.parametrize(("suffix", "name"), [(".png", "upload.png"), (".jpg", "upload.jpg")])
def test_a_still_is_taken_in(tmp_path, suffix, name):
    coded = cv2.imencode(suffix, np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))[1].tobytes()
    assert accept_upload(uploaded(tmp_path, coded), tmp_path).name == name


def test_a_dicom_file_is_known_by_its_mark(tmp_path):
    assert accept_upload(uploaded(tmp_path, bytes(128) + b"DICM" + bytes(64)), tmp_path).name == "upload.dcm"


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "libx264"), (".avi", "mpeg4"), (".mov", "libx264")])
def test_every_kind_of_video_is_known(tmp_path, suffix, codec):
    path = tmp_path / f"x{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height = stream.width = 64
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64), np.uint8), "gray")))
        container.mux(stream.encode(None))
    assert detect_suffix(path.read_bytes()[:132]) in (suffix, ".mp4")
    assert accept_upload(path, tmp_path).exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this file is none that the page takes"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "this file is none that the page takes"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "this file is none that the page takes"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "this file is none that the page takes"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "this file is none that the page takes"),
        (b"PK\x03\x04" + bytes(200), "this file is none that the page takes"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(200), "the file cannot be read"),
        (png(60_000, 60_000), "60000x60000 pixels are too large"),
        (png(0, 0), "0x0 pixels are too large"),
        (jpeg(65_500, 65_500), "65500x65500 pixels are too large"),
        (b"\xff\xd8\xff\xe0\xff\xff", "no frame header"),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused_and_deleted(tmp_path, content, message):
    path = uploaded(tmp_path, content)
    with pytest.raises(UploadRefused, match=message):
        accept_upload(path, tmp_path)
    assert not path.exists()
    assert not list(tmp_path.glob("upload*"))


@pytest.fixture
def clock():
    class ManualClock:
        seconds = 0.0

        def __call__(self):
            return self.seconds

    return ManualClock()


@pytest.fixture
def visitors(clock):
    some = Visitors(most=2, patience_s=20, now=clock)
    yield some
    some.close()
    assert "rtseg-visitors" not in {thread.name for thread in threading.enumerate()}


def test_so_many_and_no_more(visitors):
    first, second = visitors.welcome(), visitors.welcome()
    assert first.token != second.token
    assert len(first.token) >= 32
    with pytest.raises(ViewerRefused, match="2 pages are open, and this server takes no more: close one"):
        visitors.welcome()
    visitors.leave(first.token)
    visitors.leave(first.token)
    assert visitors.welcome().token != first.token
    with pytest.raises(VisitorGone, match="reload it"):
        visitors.find(first.token)


def test_who_leaves_takes_his_files_along(visitors):
    visitor = visitors.welcome()
    (visitor.folder / "overlay.mp4").write_bytes(b"x")
    visitors.leave(visitor.token)
    assert not visitor.folder.exists()
    assert visitor.leaving.is_set()


def test_who_is_not_heard_of_is_let_go_unless_he_watches(visitors, clock):
    silent, watching = visitors.welcome(), visitors.welcome()
    with watching.live.screen.broadcast.viewer():
        for clock.seconds in (15.0, 30.0):
            visitors.sweep()
        assert len(visitors) == 1
        assert visitors.find(watching.token) is watching
    with pytest.raises(VisitorGone):
        visitors.find(silent.token)
    clock.seconds = 45.0
    visitors.find(watching.token)
    clock.seconds = 60.0
    visitors.sweep()
    assert len(visitors) == 1
    clock.seconds = 90.0
    visitors.sweep()
    assert len(visitors) == 0


def test_the_sweeper_sweeps_by_itself(clock):
    some = Visitors(most=1, patience_s=1, now=clock)
    try:
        folder = some.welcome().folder
        clock.seconds = 10.0
        until(lambda: not len(some))
        until(lambda: not Path(folder).exists())
    finally:
        some.close()


def test_a_jpeg_of_fill_bytes_costs_no_more_than_its_length(tmp_path):
    """Measure against hashing the same bytes, since a parser that reads byte by byte takes over a hundred times as long."""
    coded = b"\xff\xd8" + b"\xff" * (32 << 20)
    path = uploaded(tmp_path, coded)
    began = time.process_time()
    hashlib.sha256(coded).digest()
    hashed = time.process_time()
    with pytest.raises(UploadRefused, match="no frame header"):
        accept_upload(path, tmp_path)
    assert time.process_time() - hashed < 30 * (hashed - began)


def test_a_second_frame_header_counts_too(tmp_path):
    coded = bytearray(cv2.imencode(".jpg", np.zeros((32, 32), np.uint8))[1].tobytes())
    at = coded.index(b"\xff\xc0")
    length = int.from_bytes(coded[at + 2 : at + 4], "big")
    second = coded[at : at + 2 + length]
    second[5:9] = b"\x40\x00\x40\x00"
    with pytest.raises(UploadRefused, match="too large"):
        accept_upload(uploaded(tmp_path, bytes(coded[:at]) + bytes(second) + bytes(coded[at:])), tmp_path)
