"""Provides fixtures that write tiny videos, DICOM and MetaImage files."""

import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from sources.dicoms import multiframe, save

from rtseg.sources.files.metaimage import ELEMENTS


def speckle(count, height, width, seed=0):
    """Return gray frames (count, H, W) of smooth noise, dark to bright, which survive a codec."""
    rng = np.random.default_rng(seed)
    ramp = (
        np.linspace(20, 200, width)[None, :]
        + rng.uniform(-20, 20, (height // 8 + 1, width // 8 + 1)).repeat(8, 0).repeat(8, 1)[:height, :width]
    )
    return np.stack([np.clip(np.roll(ramp, 3 * k, axis=1), 0, 255) for k in range(count)]).astype(np.uint8)


@pytest.fixture
def write_video(tmp_path):
    """Return write(name, frames (N, H, W[, 3]), rate=, pix_fmt=, codec=, options=, movflags=, pts=), which returns a path."""

    def write(
        name, frames, *, rate=30, pix_fmt="yuv420p", codec="libx264", options=None, movflags=None, pts=None, full_range=False
    ):
        path = tmp_path / name
        with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
            stream = container.add_stream(codec, rate=rate, options=options or {})
            stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pix_fmt
            if full_range:
                stream.codec_context.color_range = 2
            for number, pixels in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "gray" if pixels.ndim == 2 else "rgb24")
                if full_range:
                    picture = picture.reformat(format=pix_fmt, dst_color_range=2)
                if pts is not None:
                    picture.pts = pts[number]
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def write_dicom(tmp_path):
    """Return write_dicom(frames, name=, **elements), which returns the path of a multi-frame file."""
    return lambda frames, name="a.dcm", **elements: save(multiframe(frames, **elements), tmp_path / name)


@pytest.fixture
def write_mha(tmp_path):
    """Return write_mha(frames, name=, packed=, beside=, extra=, cut=, **fields), which returns the path.

    A field of None is left out.
    """

    def write_file(frames, name="a.mha", *, packed=False, beside="", extra=(), cut=None, **changes):
        data = zlib.compress(frames.tobytes()) if packed else frames.tobytes()
        fields = {
            "ObjectType": "Image",
            "NDims": 3,
            "BinaryData": "True",
            "BinaryDataByteOrderMSB": frames.dtype.byteorder == ">",
            "CompressedData": packed,
            "DimSize": f"{frames.shape[2]} {frames.shape[1]} {len(frames)}",
            "ElementType": next(kind for kind, code in ELEMENTS.items() if np.dtype(code) == frames.dtype.newbyteorder("=")),
            "ElementNumberOfChannels": 3 if frames.ndim == 4 else 1,
        } | changes
        head = [f"{key} = {value}\n" for key, value in fields.items() if value is not None] + [f"{line}\n" for line in extra]
        head.append(f"ElementDataFile = {beside or 'LOCAL'}\n")
        whole = "".join(head).encode() + (b"" if beside else data)
        (tmp_path / name).write_bytes(whole if cut is None else whole[:cut])
        if beside:
            (tmp_path / beside).write_bytes(data)
        return str(tmp_path / name)

    return write_file


@pytest.fixture
def grey_frames():
    return speckle(30, 48, 64)


@pytest.fixture(scope="session")
def own_threads():
    """Return a function that counts this process's threads, FFmpeg's included."""
    return lambda: len(list(Path("/proc/self/task").iterdir()))


@pytest.fixture(scope="session")
def open_files():
    """Return a function that counts this process's open files."""
    return lambda: len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="session")
def clips():
    folder = Path("/work/shared/data/clips")
    if not folder.is_dir():
        pytest.skip("the shared clips are not on this machine")
    return folder
