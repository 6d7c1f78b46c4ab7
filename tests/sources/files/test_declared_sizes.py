"""Tests that pictures of no size, or of a huge one, are refused, and that of a film the coded size counts."""

import struct
import zlib

import av
import cv2
import numpy as np
import pytest
from sources.damage import drain
from sources.dicoms import multiframe, save
from sources.ultrasound import GRAY

from rtseg.errors import SourceError
from rtseg.sources import open_source

HUGE = 2**31 - 1


def _png(height, width):
    coded = bytearray(cv2.imencode(".png", GRAY[0])[1].tobytes())
    coded[16:24] = struct.pack(">II", width, height)
    coded[29:33] = struct.pack(">I", zlib.crc32(coded[12:29]))
    return bytes(coded)


def _jpeg(height, width):
    coded = bytearray(cv2.imencode(".jpg", GRAY[0])[1].tobytes())
    at = coded.find(b"\xff\xc0") + 5
    coded[at : at + 4] = struct.pack(">HH", min(height, 0xFFFF), min(width, 0xFFFF))
    return bytes(coded)


def _bmp(height, width):
    coded = bytearray(cv2.imencode(".bmp", GRAY[0])[1].tobytes())
    coded[18:26] = struct.pack("<ii", width, height)
    return bytes(coded)


def _mha(height, width):
    head = f"ObjectType = Image\nNDims = 3\nDimSize = {width} {height} 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    return head.encode() + GRAY.tobytes()


def _nrrd(height, width):
    return f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {width} {height} 4\nencoding: raw\n\n".encode() + GRAY.tobytes()


def _y4m(height, width):
    head = f"YUV4MPEG2 W{width} H{height} F25:1 Cmono\n".encode()
    return head + b"".join(b"FRAME\n" + picture.tobytes() for picture in GRAY)


FILES = {"png": _png, "jpg": _jpeg, "bmp": _bmp, "mha": _mha, "nrrd": _nrrd, "y4m": _y4m}


@pytest.mark.parametrize("size", [(0, 64), (48, 0), (HUGE, HUGE), (48 * 2, 64)], ids=["no height", "no width", "huge", "twice"])
@pytest.mark.parametrize("suffix", FILES)
def test_a_size_that_the_pixels_do_not_have_is_refused(tmp_path, suffix, size):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(FILES[suffix](*size))
    with pytest.raises(SourceError):
        list(open_source(str(path)))


@pytest.mark.parametrize("size", [(0, 64), (48, 0), (0xFFFF, 0xFFFF), (96, 64)])
def test_so_is_one_of_dicom(tmp_path, size):
    made = multiframe(GRAY)
    made.Rows, made.Columns = size
    with pytest.raises(SourceError):
        list(open_source(save(made, tmp_path / "a.dcm")))


@pytest.mark.parametrize("size", [(0, 0), (0xFFFF, 0xFFFF), (40, 96)])
@pytest.mark.parametrize(("suffix", "codec", "mark"), [("mp4", "libx264", b"avc1"), ("avi", "mjpeg", b"strf")])
def test_of_a_film_the_coded_size_counts(tmp_path, suffix, codec, mark, size):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in GRAY:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray").reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    coded = bytearray(path.read_bytes())
    at, form = coded.find(mark) + (28 if suffix == "mp4" else 12), ">HH" if suffix == "mp4" else "<ii"
    coded[at : at + struct.calcsize(form)] = struct.pack(form, *size[::-1])
    path.write_bytes(coded)
    frames, error = drain(open_source(str(path)))
    assert error is None
    assert [frame.image.shape for frame in frames] == [GRAY[0].shape] * len(GRAY)
    assert max(np.abs(frame.image.astype(int) - picture).mean() for frame, picture in zip(frames, GRAY, strict=True)) < 4
