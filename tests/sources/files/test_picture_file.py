"""Tests image files with several pictures, EXIF's Orientation, and how a path is expanded to image files."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from sources.damage import cut, drain

from rtseg.errors import SourceError, SourceNotFound
from rtseg.evaluation.dataset import pictures as dataset_pictures
from rtseg.sources import open_source
from rtseg.sources.files.animations import read_animation
from rtseg.sources.files.image_paths import image_paths
from rtseg.sources.files.images import read_image
from rtseg.sources.pixels.upright import upright_of_exif


def picture(number, shape=(48, 64)):
    image = np.full((*shape, 3), 40, np.uint8)
    image[: shape[0] // 4, : shape[1] // 4] = 220
    image[20:28, 8 * number : 8 * number + 8] = 255
    image[30:, 40:] = (210, 30, 20)
    return image


STACK = [picture(number) for number in range(6)]


def _assert_frames(source, expected, tolerance=0):
    read, error = drain(source)
    assert error is None
    assert [frame.index for frame in read] == list(range(len(expected)))
    assert source.info.frames == len(expected)
    for frame, right in zip(read, expected, strict=True):
        assert frame.image.shape == right.shape
        assert np.abs(frame.image.astype(int) - right).mean() <= tolerance
    return read


def write_tiff(path, pages, order="<", big=False):
    """Write gray pages (pixels, entries beside the usual ones); the directory of each follows its pixels."""
    word, count, value_at = ("Q", "Q", "Q") if big else ("I", "H", "I")
    data = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if big else 42))
    data += struct.pack(f"{order}HH", 8, 0) if big else b""
    link = len(data)
    data += struct.pack(order + word, 0)
    for pixels, extra in pages:
        bits = pixels.dtype.itemsize * 8
        strip = len(data)
        data += pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        data += bytes(len(data) % 2)
        tags = {256: pixels.shape[1], 257: pixels.shape[0], 258: bits, 259: 1, 262: 1, 273: strip, 277: 1, 278: pixels.shape[0]}
        tags |= {279: pixels.nbytes} | extra
        struct.pack_into(order + word, data, link, len(data))
        data += struct.pack(order + count, len(tags))
        for tag in sorted(tags):
            data += struct.pack(f"{order}HH{word}{value_at}", tag, 16 if big else 4, 1, tags[tag])
        link = len(data)
        data += struct.pack(order + word, 0)
    path.write_bytes(data)
    return path


GREY = [image[..., 1] for image in STACK]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", [8, 16])
def test_every_page_of_a_tiff_stack_is_read(tmp_path, order, big, depth):
    stored = [image.astype(np.uint16) * 257 for image in GREY] if depth == 16 else GREY
    path = write_tiff(tmp_path / "a.tif", [(pixels, {}) for pixels in stored], order, big)
    _assert_frames(open_source(str(path)), GREY)


def test_a_stack_of_opencv_in_color(tmp_path):
    cv2.imwritemulti(str(tmp_path / "a.tiff"), [image[..., ::-1] for image in STACK])
    _assert_frames(open_source(str(tmp_path / "a.tiff")), STACK)


@pytest.mark.parametrize("extra", [{254: 1}, {254: 4}, {254: 5}, {255: 2}])
def test_previews_and_masks_of_a_tiff_are_no_pages(tmp_path, extra):
    small = GREY[0][::4, ::4].copy()
    pages = [(small, extra), *[one for pixels in GREY for one in ((pixels, {254: 2}), (small, extra))]]
    _assert_frames(open_source(str(write_tiff(tmp_path / "a.tif", pages))), GREY)


def test_a_stack_without_an_end_is_refused_after_its_pages(tmp_path):
    path = write_tiff(tmp_path / "a.tif", [(pixels, {}) for pixels in GREY])
    data = bytearray(path.read_bytes())
    data[-4:] = data[4:8]  # the last page leads to the first
    path.write_bytes(data)
    read, error = drain(open_source(str(path)))
    assert len(read) == 6
    assert "has no end" in str(error)


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_cut_stack_gives_its_pages_and_then_an_error(tmp_path, share):
    path = cut(write_tiff(tmp_path / "a.tif", [(pixels, {}) for pixels in GREY]), share)
    read, error = drain(open_source(str(path)))
    assert 0 < len(read) < 6
    assert all(np.array_equal(frame.image, right) for frame, right in zip(read, GREY, strict=False))
    assert "cut off" in str(error)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deflated(pixels):
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))


def write_apng(path, parts, plain=None):
    """Write an animated PNG of RGBA parts: (pixels, x, y, milliseconds, dispose, blend). plain: a picture that is no part."""
    height, width = parts[0][0].shape[:2]
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    data += _chunk(b"acTL", struct.pack(">II", len(parts), 0))
    sequence, data = 0, data + (_chunk(b"IDAT", _deflated(plain)) if plain is not None else b"")
    for number, (pixels, x, y, ms, dispose, blend) in enumerate(parts):
        size = pixels.shape[1], pixels.shape[0]
        data += _chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, *size, x, y, ms, 1000, dispose, blend))
        sequence += 1
        if number or plain is not None:
            data += _chunk(b"fdAT", struct.pack(">I", sequence) + _deflated(pixels))
            sequence += 1
        else:
            data += _chunk(b"IDAT", _deflated(pixels))
    path.write_bytes(data + _chunk(b"IEND", b""))
    return path


def _opaque(image):
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


def _moving(disposal, blend):
    """Return the parts of an animation, of which the later ones are small, and its pictures as they are shown."""
    whole = picture(0)
    parts, shown, canvas = [(_opaque(whole), 0, 0, 40, 0, 0)], [whole], whole.copy()
    for number, ms in ((1, 120), (2, 400), (3, 40)):
        small = np.full((8, 8, 3), 200 + number, np.uint8)
        part = _opaque(small)
        if blend:
            part[:4, :, 3] = 0
        at = slice(20, 28), slice(8 * number, 8 * number + 8)
        here = canvas.copy()
        here[at] = np.where(part[..., 3:] == 0, canvas[at], small) if blend else small
        parts.append((part, 8 * number, 20, ms, disposal, blend))
        shown.append(here)
        canvas = canvas if disposal == 2 else here
    return parts, shown


@pytest.mark.parametrize("blend", [0, 1])
@pytest.mark.parametrize("disposal", [0, 2])
def test_an_animated_png_is_read_whole_and_with_its_times(tmp_path, disposal, blend):
    parts, shown = _moving(disposal, blend)
    source = open_source(str(write_apng(tmp_path / "a.png", parts)))
    read = _assert_frames(source, shown)
    assert [round(frame.presentation_ns / 1e6) for frame in read] == [0, 40, 160, 560]
    assert source.info.fps == pytest.approx(3 / 0.56)


def test_a_still_in_front_of_an_animated_png_is_no_part(tmp_path):
    parts = [(_opaque(image), 0, 0, 40, 0, 0) for image in STACK]
    _assert_frames(open_source(str(write_apng(tmp_path / "a.png", parts, plain=_opaque(picture(5) // 2)))), STACK)


def write_webp(path, images, durations_ms):
    animation = cv2.Animation()
    animation.frames, animation.durations = [image[..., ::-1].copy() for image in images], np.array(durations_ms, np.int32)
    assert cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, 101])
    return path


def test_an_animated_webp_is_read_whole_and_with_its_times(tmp_path, monkeypatch):
    path = write_webp(tmp_path / "a.webp", STACK, [40, 40, 400, 40, 40, 40])
    for at_once in (1 << 28, 2 * 48 * 64 * 4):
        monkeypatch.setattr("rtseg.sources.files.picture_file._MAX_ANIMATION_BYTES", at_once)
        read = _assert_frames(open_source(str(path)), STACK, tolerance=3)
        assert [round(frame.presentation_ns / 1e6) for frame in read] == [0, 40, 80, 480, 520, 560]
    assert read_animation(path.read_bytes()).pictures == 6


def test_two_pictures_of_an_animated_webp_never_have_one_time(tmp_path):
    path = write_webp(tmp_path / "a.webp", STACK, [0, 50, 0, 30, 30, 0])
    source = open_source(str(path))
    assert [round(frame.presentation_ns / 1e6) for frame in source] == [0, 100, 150, 250, 280, 310]
    assert source.info.fps == pytest.approx(5 / 0.31)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_cut_animation_is_told(tmp_path, kind):
    if kind == "png":
        path = write_apng(tmp_path / "a.png", [(_opaque(image), 0, 0, 40, 0, 0) for image in STACK])
    else:
        path = write_webp(tmp_path / "a.webp", STACK, [40] * 6)
    try:
        read, error = drain(open_source(str(cut(path, 0.6))))
    except SourceError as refused:
        read, error = [], refused
    assert len(read) < 6
    assert error is not None


def test_a_folder_gives_every_picture_of_its_files(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), STACK[0][..., ::-1])
    write_tiff(tmp_path / "2.tif", [(pixels, {}) for pixels in GREY[1:3]])
    write_apng(tmp_path / "3.png", [(_opaque(image), 0, 0, 400, 0, 0) for image in STACK[3:5]])
    cv2.imwrite(str(tmp_path / "4.webp"), STACK[5][..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
    read = _assert_frames(open_source(str(tmp_path)), [STACK[0], *GREY[1:3], *STACK[3:]], tolerance=1)
    assert [frame.presentation_ns for frame in read] == [number * 40_000_000 for number in range(6)]


SHOWN = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.T,
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].T,
    8: np.rot90,
}


def _exif(orientation):
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 274, 3, 1, orientation, 0) + bytes(4)


def _with_orientation(path, image, orientation):
    """Write an image whose metadata say how it is to be turned."""
    if path.suffix == ".tif":
        return write_tiff(path, [(image, {274: orientation})])
    coded = cv2.imencode(path.suffix, image, [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else [])[1].tobytes()
    if path.suffix == ".jpg":
        body = b"Exif\0\0" + _exif(orientation)
        coded = coded[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + coded[2:]
    elif path.suffix == ".png":
        coded = coded[:33] + _chunk(b"eXIf", _exif(orientation)) + coded[33:]
    else:
        body, exif = coded[12:], _exif(orientation)
        size = (image.shape[1] - 1).to_bytes(3, "little") + (image.shape[0] - 1).to_bytes(3, "little")
        parts = b"VP8X" + struct.pack("<I4B", 10, 8, 0, 0, 0) + size + body + b"EXIF" + struct.pack("<I", len(exif)) + exif
        coded = b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts
    path.write_bytes(coded)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", SHOWN)
def test_every_orientation_is_applied(tmp_path, suffix, orientation):
    image = np.full((32, 64), 90, np.uint8)
    image[:16, :24] = 250
    image[:8, 40:] = 20
    path, right = _with_orientation(tmp_path / f"a{suffix}", image, orientation), SHOWN[orientation](image)
    for read in (read_image(path), next(iter(open_source(str(path)))).image):
        assert read.shape == right.shape
        assert np.abs(read.astype(int) - right).mean() < 3
    seen = dataset_pictures.read_image(path)
    assert np.abs((seen if seen.ndim == 2 else seen[..., 1]).astype(int) - right).mean() < 3


def test_names_with_glob_characters_stand_for_themselves(tmp_path):
    folder = tmp_path / "scan [left] 100%"
    folder.mkdir()
    for name in ("a1.png", "a2.png", "b[1].png", "b1.png", "c?.png"):
        cv2.imwrite(str(folder / name), GREY[0])
    for where, names in {
        str(folder): ["a1.png", "a2.png", "b1.png", "b[1].png", "c?.png"],
        f"{folder}/*.png": ["a1.png", "a2.png", "b1.png", "b[1].png", "c?.png"],
        f"{folder}/a*": ["a1.png", "a2.png"],
        f"{folder}/b[1].png": ["b[1].png"],
        f"{folder}/[ab][12].png": ["a1.png", "a2.png", "b1.png"],
        f"{tmp_path}/*/c?.png": ["c?.png"],
        f"{folder}/a%d.png": ["a1.png", "a2.png"],
    }.items():
        assert [path.name for path in image_paths(where)] == names, where
        assert len(list(open_source(where))) == len(names)


def test_a_numbered_pattern_keeps_its_digits(tmp_path):
    for name in ("f001.png", "f010.png", "f2.png", "g001.png"):
        cv2.imwrite(str(tmp_path / name), GREY[0])
    assert [path.name for path in image_paths(f"{tmp_path}/f%03d.png")] == ["f001.png", "f010.png"]
    with pytest.raises(SourceNotFound, match="holds no image"):
        open_source(f"{tmp_path}/h%03d.png")


def test_what_a_system_adds_to_a_folder_is_no_picture(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), GREY[0])
    for name in ("._1.png", ".DS_Store", "Thumbs.db", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7 no picture")
    for where in (tmp_path, tmp_path / "*"):
        source = open_source(str(where))
        assert (source.info.frames, len(list(source)), list(source.omitted)) == (1, 1, [])


def test_images_of_another_kind_are_named(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), GREY[0])
    (tmp_path / "2.heic").write_bytes(b"HEIC")
    source = open_source(str(tmp_path))
    assert [(one.name, "convert it" in one.reason) for one in source.omitted] == [("2.heic", True)]


@pytest.mark.parametrize(("top", "bits"), [(1023, 10), (4095, 12), (16383, 14), (255, 8), (65535, 16)])
def test_16_bits_of_which_fewer_are_used_keep_the_upper_8_of_those(tmp_path, caplog, top, bits):
    for number in range(3):
        image = np.linspace(0, top if number == 1 else top * 0.8, 64 * 48).reshape(48, 64).astype(np.uint16)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    frames = [frame.image for frame in open_source(str(tmp_path))]
    assert [int(frame.max()) for frame in frames] == pytest.approx([204, 255, 204], abs=1)
    assert caplog.text.count("stores 16 bits") == (bits < 16)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_of_a_film_of_jpegs_is_applied(tmp_path, orientation):
    still = _with_orientation(tmp_path / "a.jpg", picture(2)[..., ::-1], orientation)
    (tmp_path / "film.mjpeg").write_bytes(still.read_bytes() * 3)
    read, error = drain(open_source(str(tmp_path / "film.mjpeg")))
    expected = upright_of_exif(orientation).apply(picture(2))
    assert (len(read), error) == (3, None)
    assert all(frame.image.shape == expected.shape for frame in read)
    assert all(np.abs(frame.image.astype(int) - expected).mean() < 4 for frame in read)


@pytest.mark.parametrize("orientation", SHOWN)
def test_exif_of_an_animated_webp_is_applied(tmp_path, orientation):
    path = write_webp(tmp_path / "a.webp", STACK, [40] * 6)
    coded = path.read_bytes() + b"EXIF" + struct.pack("<I", len(_exif(orientation))) + _exif(orientation)
    path.write_bytes(coded[:4] + struct.pack("<I", len(coded) - 8) + coded[8:20] + bytes([coded[20] | 8]) + coded[21:])
    _assert_frames(open_source(str(path)), [upright_of_exif(orientation).apply(image) for image in STACK], tolerance=3)


def test_an_animated_png_that_exif_turns_is_refused(tmp_path):
    path = write_apng(tmp_path / "a.png", [(_opaque(image), 0, 0, 40, 0, 0) for image in STACK])
    coded = path.read_bytes()
    path.write_bytes(coded[:33] + _chunk(b"eXIf", _exif(2)) + coded[33:])
    with pytest.raises(SourceError, match="without EXIF"):
        open_source(str(path))
    path.write_bytes(coded[:33] + _chunk(b"eXIf", _exif(1)) + coded[33:])
    _assert_frames(open_source(str(path)), STACK)


def test_a_preview_in_front_of_the_only_picture_of_a_tiff_is_not_shown(tmp_path):
    path = write_tiff(tmp_path / "a.tif", [(GREY[0][::4, ::4].copy(), {254: 1}), (GREY[1], {})])
    _assert_frames(open_source(str(path)), [GREY[1]])


def test_a_picture_under_a_preview_is_shown(tmp_path):
    path = write_tiff(tmp_path / "a.tif", [(GREY[0][::4, ::4].copy(), {254: 1, 330: 0}), (GREY[1], {})])
    coded = bytearray(path.read_bytes())
    directory = struct.unpack_from("<I", coded, 4)[0]
    entries = struct.unpack_from("<H", coded, directory)[0]
    link = directory + 2 + 12 * entries
    struct.pack_into("<I", coded, link - 4, struct.unpack_from("<I", coded, link)[0])  # of tag 330, the last one
    struct.pack_into("<I", coded, link, 0)
    path.write_bytes(coded)
    _assert_frames(open_source(str(path)), [GREY[1]])


@pytest.mark.parametrize(("stated", "told"), [(6, ""), (9, "the rest of which is missing")])
def test_a_stack_of_imagej_with_one_page_is_read_whole(tmp_path, stated, told):
    path = write_tiff(tmp_path / "a.tif", [(GREY[0], {270: 0})])
    coded, text = bytearray(path.read_bytes()), f"ImageJ=1.53t\nimages={stated}\nslices={stated}\n\0".encode()
    directory, strip = struct.unpack_from("<I", coded, 4)[0], len(coded) + len(text)
    for entry in range(directory + 2, len(coded) - 4, 12):
        tag = struct.unpack_from("<H", coded, entry)[0]
        if tag == 270:
            struct.pack_into("<HII", coded, entry + 2, 2, len(text), len(coded))
        if tag == 273:
            struct.pack_into("<I", coded, entry + 8, strip)
    path.write_bytes(coded + text + b"".join(pixels.tobytes() for pixels in GREY))
    read, error = drain(open_source(str(path)))
    assert [np.array_equal(frame.image, right) for frame, right in zip(read, GREY, strict=True)] == [True] * 6
    assert told in str(error or "")
    assert bool(error) == bool(told)


def test_a_gif_by_another_name_is_not_read_as_one_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b";")
    with pytest.raises(SourceError, match=r"end in \.gif"):
        open_source(str(tmp_path / "a.png"))


def test_images_of_16_bits_behind_others_of_8_keep_their_levels(tmp_path, caplog):
    for number, image in enumerate(GREY):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image.astype(np.uint16) * 16 if number else image)
    _assert_frames(open_source(str(tmp_path)), GREY)
    assert caplog.text.count("uses 12 of them") == 1
