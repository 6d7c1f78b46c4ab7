"""Tests that small files which declare large images, large counts or no end are refused with a reason, at low cost."""

import gzip
import struct
import threading
import time
import tracemalloc
import zlib
from contextlib import ExitStack

import av
import cv2
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from sources.damage import drain, opened

from rtseg.errors import ConfigError, DatasetError, SourceError
from rtseg.evaluation.dataset import pictures
from rtseg.frame import Frame, StreamInfo
from rtseg.limits import DEFAULT_MAX_PIXELS, MAX_PIXELS_VARIABLE, max_pixels, pixel_limit
from rtseg.mailbox import Mailbox, ReadAheadQueue
from rtseg.sources import open_source
from rtseg.sources.files.images import read_image
from rtseg.sources.live.reconnect import ReconnectingSource
from rtseg.sources.pixels.picture_size import picture_size

pytestmark = pytest.mark.attack

TOO_MANY = r"has pictures of \d+x\d+ pixels, and \d+ are the most: raise that with --max-pixels"
NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def limit():
    """Return a function that sets the most pixels of an image until the test ends."""
    with ExitStack() as stack:
        yield lambda pixels: stack.enter_context(pixel_limit(pixels))


def coded(suffix, pixels=NOISE, options=()):
    return cv2.imencode(suffix, pixels, list(options))[1].tobytes()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def enlarged(suffix, side=20_000):
    """Return a small image file that declares `side` x `side` pixels."""
    data = bytearray(coded(suffix))
    if suffix == ".jpg":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    elif suffix == ".png":
        return data[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + bytes(data[33:])
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<ii", side, -side)
    elif suffix == ".gif":
        data[6:10] = struct.pack("<HH", side, side)
    else:
        assert suffix == ".webp"
        data[:] = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + 2 * struct.pack("<I", side - 1)[:3] + data[12:]
    return bytes(data)


def tiff(big, side=20_000, tile=None):
    """Return a TIFF that consists of its first directory."""
    tags = [(256, side), (257, side)] if tile is None else [(256, 16), (257, 16), (322, tile), (323, tile)]
    if big:
        entries = b"".join(struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in tags)
        return struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags)) + entries + bytes(8)
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack(">2sHIH", b"MM", 42, 8, len(tags)) + entries + bytes(4)


HUGE = {
    **{suffix: enlarged(suffix) for suffix in (".jpg", ".png", ".bmp", ".webp")},
    "classic.tif": tiff(big=False),
    "big.tif": tiff(big=True),
    "tiles.tif": tiff(big=True, tile=20_000),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_picture_that_declares_too_many_pixels_is_not_decoded(tmp_path, name, monkeypatch):
    path = tmp_path / f"a{name if name in ('.jpg', '.png', '.bmp') else '.tif'}"
    path.write_bytes(HUGE[name])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(SourceError, match=TOO_MANY):
        open_source(str(path))
    for read in (pictures.read_image, pictures.read_mask):
        with pytest.raises(DatasetError, match=TOO_MANY):
            read(path)


@pytest.mark.parametrize(("name", "words"), [("a.gif", "above --max-pixels"), ("a.tif", "a GIF, which is read as a film")])
def test_a_gif_that_declares_too_many_pixels_is_not_decoded(tmp_path, name, words, monkeypatch):
    path = tmp_path / name
    path.write_bytes(enlarged(".gif"))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(SourceError, match=words):
        open_source(str(path))
    for read in (pictures.read_image, pictures.read_mask):
        with pytest.raises(DatasetError):
            read(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp", ".gif"])
@pytest.mark.parametrize("shape", [(48, 64, 3), (31, 1, 3), (1, 500, 3)])
def test_the_size_in_the_header_is_that_of_the_pixels(suffix, shape):
    data = coded(suffix, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    assert picture_size(data) == cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2] == shape[:2]


def test_the_limit_is_for_the_user_to_set(tmp_path, limit):
    path = tmp_path / "a.png"
    path.write_bytes(coded(".png"))
    limit(48 * 64)
    assert read_image(path).shape == (48, 64, 3)
    limit(48 * 64 - 1)
    with pytest.raises(SourceError, match=r"64x48 pixels, and 3071 are the most: .*--max-pixels 3072"):
        read_image(path)
    for wrong in (0, -1, 1 << 31):
        with pytest.raises(ConfigError, match=f"the limit {wrong} is out of range"):
            limit(wrong)


def test_the_limit_ends_with_its_context(monkeypatch):
    assert max_pixels() == DEFAULT_MAX_PIXELS >= 7680 * 4320
    with pixel_limit(5):
        assert max_pixels() == 5
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "7")
    assert max_pixels() == 7
    with pixel_limit(6):
        assert max_pixels() == 6
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "many")
    with pytest.raises(ConfigError, match="RTSEG_MAX_PIXELS many is out of range"):
        max_pixels()


def test_another_thread_has_its_own_limit():
    seen, both = {}, threading.Barrier(2)

    def look(pixels):
        with pixel_limit(pixels):
            both.wait(60)
            seen[pixels] = max_pixels()

    threads = [threading.Thread(target=look, args=(pixels,)) for pixels in (11, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == {11: 11, 12: 12}


@pytest.mark.parametrize("way", ["mailbox", "read ahead", "link"])
def test_the_threads_that_rtseg_starts_have_the_limit(way):
    seen = []

    class ReadingSource:
        info = StreamInfo(4, 4, 100.0)

        def __iter__(self):
            seen.append(max_pixels())
            yield Frame(np.zeros((4, 4), np.uint8), 0, 1)

        def close(self):
            pass

    with pixel_limit(1234):
        made = {"mailbox": Mailbox, "read ahead": ReadAheadQueue, "link": lambda source: ReconnectingSource(lambda: source)}
        source = made[way](ReadingSource())
        if way != "link":
            source.start()
    assert len(list(source)) == 1
    source.close()
    assert seen == [1234]


@pytest.mark.parametrize("fill", ["soi", "segments", "scan", "scans", "everything"])
def test_a_jpeg_of_markers_costs_little(tmp_path, fill):
    data, fills = coded(".jpg"), b"\xff" * 4_000_000
    scan = data.rindex(b"\xff\xda")
    bad = {
        "soi": b"\xff\xd8" + fills,
        "segments": b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1_000_000,
        "scan": data[: scan + 20] + fills,
        "scans": data[:scan] + data[scan : scan + 12] * 100_000,
        "everything": fills,
    }[fill]
    path = tmp_path / "a.jpg"
    path.write_bytes(bad)
    started = time.process_time()
    with pytest.raises(SourceError, match="is not an image that can be read"):
        read_image(path)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mjpeg"), ("a.mkv", "ffv1")])
def test_a_video_above_the_limit_is_refused(write_video, name, codec, limit):
    pixels = {"mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    path = write_video(name, np.zeros((3, 48, 64), np.uint8), codec=codec, pix_fmt=pixels)
    limit(48 * 64 - 1)
    with pytest.raises(SourceError, match="--max-pixels 307"):
        open_source(str(path))


def test_a_size_that_grows_in_mid_stream_is_refused_and_counted(tmp_path, limit):
    path = tmp_path / "a.mjpeg"
    path.write_bytes(coded(".jpg") * 3 + coded(".jpg", np.zeros((480, 640, 3), np.uint8)) * 2)
    limit(100_000)
    read, error = drain(open_source(str(path)))
    assert len(read) == 3
    assert "of a size that is unknown or above --max-pixels 100000" in str(error)


def _nrrd(sizes, encoding, data):
    head = f"NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: {sizes}\nencoding: {encoding}\n\n"
    return head.encode() + data


def _mha(sizes, extra=""):
    head = f"ObjectType = Image\nNDims = 3\nDimSize = {sizes}\nElementType = MET_UCHAR\n{extra}ElementDataFile = LOCAL\n"
    return head.encode() + bytes(100)


def _nifti(dims):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *dims, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<ff", header, 108, 352.0, 1.0)
    header[344:348] = b"n+1\0"
    return bytes(header)


SIZED = {
    "a.nrrd": _nrrd("16000 16000 2", "raw", bytes(100)),
    "z.nrrd": _nrrd("16000 16000 2", "gzip", gzip.compress(bytes(1000))),
    "a.mha": _mha("16000 16000 2"),
    "a.nii": _nifti((16000, 16000, 2)),
}


@pytest.mark.parametrize("name", SIZED)
def test_volumes_above_the_limit_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(SIZED[name])
    with pytest.raises(SourceError, match=TOO_MANY):
        open_source(str(tmp_path / name))


def test_dicom_above_the_limit_is_refused(write_dicom, limit):
    path = write_dicom(np.zeros((2, 48, 64), np.uint8))
    limit(48 * 64 - 1)
    with pytest.raises(SourceError, match=TOO_MANY):
        open_source(str(path))


COUNTS = {
    "a.nrrd": _nrrd("8000 8000 1000000000000", "raw", bytes(1000)),
    "z.nrrd": _nrrd("8000 8000 1000000000000", "gzip", gzip.compress(bytes(1000))),
    "a.mha": _mha("8000 8000 1000000000000"),
    "far.mha": _mha("8000 8000 10").replace(b"LOCAL\n", b"b.raw\nHeaderSize = 9999999999999999999999\n"),
    "a.nii": _nifti((8000, 8000, 30000)),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_that_exceed_the_file_cost_nothing(tmp_path, name):
    (tmp_path / name).write_bytes(COUNTS[name])
    (tmp_path / "b.raw").write_bytes(bytes(1000))
    tracemalloc.start()
    try:
        read, error = drain(opened(open_source, str(tmp_path / name)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not read
    assert "could be read" in str(error)
    assert peak < 32_000_000, "memory was taken for what the file does not hold"


def test_a_header_without_an_end_is_refused(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\n" + b"A" * 3_000_000)
    with pytest.raises(SourceError, match="its header has no end"):
        open_source(str(tmp_path / "a.nrrd"))


def test_an_extension_of_nifti_cannot_take_more_than_a_header(tmp_path):
    head = bytearray(_nifti((64, 48, 2)))
    struct.pack_into("<f", head, 108, 3e8)
    head[348] = 1
    extension = struct.pack("<ii", 256 << 20, 6)
    with gzip.open(tmp_path / "a.nii.gz", "wb") as file:
        file.write(bytes(head) + extension + bytes(256 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="is no NIfTI that can be read"):
            open_source(str(tmp_path / "a.nii.gz"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64_000_000


def test_a_deflated_dicom_that_unpacks_to_too_much_is_refused(tmp_path, write_dicom):
    path = write_dicom(np.zeros((2, 48, 64), np.uint8))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    assert open_source(str(tmp_path / "b.dcm")).info.frames == 2
    whole = (tmp_path / "b.dcm").read_bytes()
    start = 144 + pydicom.filereader.read_file_meta_info(tmp_path / "b.dcm").FileMetaInformationGroupLength
    packer = zlib.compressobj(wbits=-15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    (tmp_path / "c.dcm").write_bytes(whole[:start] + packed)
    with pytest.raises(SourceError, match="its deflated data are more than 256 MiB"):
        open_source(str(tmp_path / "c.dcm"))


def test_a_stream_of_the_network_has_the_limit_too(monkeypatch, limit):
    from rtseg.sources.live import network_stream

    given = {}
    monkeypatch.setattr(av, "open", lambda *_, options, **__: given.update(options))
    limit(123)
    network_stream._connect("tcp://127.0.0.1:9", network_stream.PROTOCOLS["tcp"], {})
    assert given["max_pixels"] == "123"
