"""Tests still images: formats, damage, folders and globs."""

import cv2
import numpy as np
import pytest

from rtseg.errors import SourceError, SourceNotFound
from rtseg.sources import open_source
from rtseg.sources.files.images import read_image

GREY = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
COLOUR = np.dstack([GREY, GREY // 2, 255 - GREY])  # RGB


def save(path, pixels):
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".PNG"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_formats(tmp_path, suffix, pixels):
    image = read_image(save(tmp_path / f"a{suffix}", pixels))
    assert image.shape == pixels.shape
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - pixels).mean() < (3 if suffix.startswith(".j") else 0.01)


def test_three_equal_channels_are_grey(tmp_path):
    image = read_image(save(tmp_path / "a.png", np.dstack([GREY] * 3)))
    assert np.array_equal(image, GREY)


def test_16_bits_keep_their_upper_8(tmp_path):
    deep = GREY.astype(np.uint16) * 256 + 200
    assert np.array_equal(read_image(save(tmp_path / "a.png", deep)), GREY)
    assert np.array_equal(read_image(save(tmp_path / "c.png", COLOUR.astype(np.uint16) * 256)), COLOUR)


def test_a_palette_is_looked_up(tmp_path):
    palette_bmp = _palette_bmp(GREY % 4, [(0, 0, 0), (10, 20, 30), (90, 90, 90), (255, 0, 0)])
    (tmp_path / "a.bmp").write_bytes(palette_bmp)
    image = read_image(tmp_path / "a.bmp")
    assert image.shape == (60, 80, 3)
    assert tuple(image[0, 1]) == (10, 20, 30)
    assert tuple(image[0, 3]) == (255, 0, 0)


def _palette_bmp(indices, palette):
    """Return an 8-bit BMP: file header, info header, BGRA palette, rows from the bottom."""
    height, width = indices.shape
    table = b"".join(bytes((b, g, r, 0)) for r, g, b in palette)
    numbers = [54 + len(table), 40, width, height, 1 | 8 << 16, 0, indices.size, 2835, 2835, len(palette), len(palette)]
    size = 54 + len(table) + indices.size
    header = b"BM" + np.array([size, 0, *numbers], "<u4").tobytes()
    return header + table + indices[::-1].astype(np.uint8).tobytes()


def test_transparency_is_left_out(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([COLOUR[..., ::-1], np.zeros_like(GREY)]))
    assert np.array_equal(read_image(tmp_path / "a.png"), COLOUR)


def test_floating_point_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"a\.tif has float32 pixels.*8-bit PNG"):
        read_image(save(tmp_path / "a.tif", GREY.astype(np.float32)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_cut_file_is_refused(tmp_path, suffix, share):
    path = save(tmp_path / f"a{suffix}", np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SourceError, match=f"a{suffix} is not an image that can be read, or is cut off"):
        read_image(path)


def test_a_cut_jpeg_is_refused_where_opencv_would_fill_it_with_grey(tmp_path, monkeypatch):
    path = save(tmp_path / "a.jpg", GREY)
    path.write_bytes(path.read_bytes()[:-20])
    monkeypatch.setattr(cv2, "imdecode", lambda coded, flags: GREY)  # OpenCV 4 only warns
    with pytest.raises(SourceError, match="is cut off"):
        read_image(path)


def test_a_folder_in_natural_order_with_anything_else_left_out(tmp_path):
    for number in (10, 2, 1):
        save(tmp_path / f"frame{number}.png", np.full((8, 8), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "sub.png").mkdir()
    for where in (tmp_path, tmp_path / "*.png", tmp_path / "frame*"):
        source = open_source(str(where))
        assert source.info.frames == 3
        assert source.info.fps == 25
        assert [(frame.index, frame.image[0, 0]) for frame in source] == [(0, 1), (1, 2), (2, 10)]


def test_one_image_and_sizes_that_differ(tmp_path):
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", COLOUR[:20])
    assert [frame.image.shape for frame in open_source(str(tmp_path))] == [(60, 80), (20, 80, 3)]
    source = open_source(str(tmp_path / "b.png"), fps=5, spacing_mm=(0.1, 0.1))
    assert (source.info.height, source.info.width, source.info.fps, source.info.spacing_mm) == (20, 80, 5, (0.1, 0.1))
    assert len(list(source)) == 1


@pytest.mark.parametrize("broken", ["1.png", "3.png", "4.png"])
def test_a_broken_one_is_left_out_named_and_shifts_no_index(tmp_path, caplog, broken):
    names = [f"{number}.png" for number in range(1, 5)]
    for name in names:
        save(tmp_path / name, GREY)
    (tmp_path / broken).write_bytes(b"broken")
    source = open_source(str(tmp_path))
    assert [frame.index for frame in source] == [index for index, name in enumerate(names) if name != broken]
    assert [(one.name, "is not an image" in one.reason) for one in source.omitted] == [(broken, True)]
    assert f"{broken} is left out" in caplog.text
    assert source.info.frames == 4


def test_a_folder_of_broken_ones_is_refused(tmp_path):
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(SourceError, match=r"1\.png is not an image"):
        open_source(str(tmp_path))


def test_nothing_there(tmp_path):
    for where in (tmp_path, tmp_path / "*.png", tmp_path / "gone.png"):
        with pytest.raises(SourceNotFound, match="holds no image: give a folder or a glob of"):
            open_source(str(where))


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", GREY)

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_bytes", refuse)
    with pytest.raises(SourceError, match=r"a\.png cannot be read \(Permission denied\)"):
        open_source(str(path))


def test_closing_ends_the_stream_and_leaves_no_file_open(tmp_path, open_files):
    for number in range(3):
        save(tmp_path / f"{number}.png", GREY)
    before = open_files()
    source = open_source(str(tmp_path))
    frames = iter(source)
    next(frames)
    source.close()
    assert next(frames, None) is None
    assert open_files() == before


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    with pytest.raises(SourceError, match=r"cannot be listed \(Permission denied\): check the folder's permissions"):
        open_source(str(tmp_path))
