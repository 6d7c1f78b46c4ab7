"""Tests films whose samples use less than their format holds: 12 of 16 bits, and gray of limited range."""

import av
import numpy as np
import pytest

from rtseg.sources import open_source

GRAY = np.stack([np.roll(np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1)), 8 * number, 1) for number in range(5)])
LOSSLESS = {"x265-params": "lossless=1:log-level=none"}


def write_gray(path, frames, codec, form, *, color_range=0, options=None):
    """Write gray frames sample by sample, as no converter would: (N, H, W) uint8 or uint16."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], form
        stream.codec_context.color_range = color_range
        for number, samples in enumerate(frames):
            picture = av.VideoFrame(samples.shape[1], samples.shape[0], form)
            plane = picture.planes[0]
            rows = np.zeros((samples.shape[0], plane.line_size // samples.itemsize), samples.dtype)
            rows[:, : samples.shape[1]] = samples
            plane.update(rows.tobytes())
            picture.pts, picture.color_range = number, color_range
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def _read(path):
    return np.stack([frame.image for frame in open_source(str(path))])


@pytest.mark.parametrize(("bits", "unused"), [(10, 6), (12, 4), (14, 2)])
def test_a_film_of_16_bits_of_which_fewer_are_used_keeps_its_light(tmp_path, caplog, bits, unused):
    frames = GRAY.astype(np.uint16) << 8 - unused
    read = _read(write_gray(tmp_path / "a.mkv", frames, "ffv1", "gray16le"))
    assert np.array_equal(read, GRAY)
    assert sum(f"uses {bits} of them" in record.message for record in caplog.records) == 1


def test_a_film_that_uses_all_16_bits_is_read_as_before(tmp_path, caplog):
    read = _read(write_gray(tmp_path / "a.mkv", GRAY.astype(np.uint16) * 257, "ffv1", "gray16le"))
    assert np.abs(read.astype(int) - GRAY).max() <= 1
    assert not caplog.records


def test_black_pictures_in_front_decide_nothing(tmp_path):
    frames = np.concatenate([np.zeros_like(GRAY[:2]), GRAY]).astype(np.uint16) * 16
    assert np.array_equal(_read(write_gray(tmp_path / "a.mkv", frames, "ffv1", "gray16le"))[2:], GRAY)


def test_a_brighter_picture_is_told(tmp_path, caplog):
    frames = GRAY.astype(np.uint16) * 16
    frames[3, :8] = 50_000
    assert _read(write_gray(tmp_path / "a.mkv", frames, "ffv1", "gray16le"))[3, :8].min() == 255
    assert "its white is clipped" in caplog.text


@pytest.mark.parametrize("form", ["gray16be", "rgb48be"])
def test_an_animated_png_of_12_bits_in_16(tmp_path, form):
    frames = GRAY if form == "gray16be" else (GRAY[..., None] * np.array([1, 0.5, 0.25])).astype(np.uint8)
    with av.open(str(tmp_path / "a.png"), "w", format="apng") as container:
        stream = container.add_stream("apng", rate=25)
        stream.height, stream.width, stream.pix_fmt = *GRAY.shape[1:], form
        for number, words in enumerate(frames.astype(np.uint16) * 16):
            picture = av.VideoFrame.from_ndarray(words, form.replace("be", "le")).reformat(format=form)
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    assert np.array_equal(_read(tmp_path / "a.png"), frames)


def test_gray_that_is_declared_and_of_limited_range_is_stretched(tmp_path):
    limited = np.rint(16 + GRAY * (219 / 255)).astype(np.uint8)
    read = _read(write_gray(tmp_path / "a.mp4", limited, "libx265", "gray", color_range=1, options=LOSSLESS))
    assert np.abs(read.astype(int) - GRAY).max() <= 1


@pytest.mark.parametrize("declared", [0, 1, 2])
def test_gray_of_full_range_stays_whatever_is_declared(tmp_path, declared):
    read = _read(write_gray(tmp_path / "a.mp4", GRAY, "libx265", "gray", color_range=declared, options=LOSSLESS))
    assert np.array_equal(read, GRAY)
