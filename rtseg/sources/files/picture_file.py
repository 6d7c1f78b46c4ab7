"""Decodes every picture of an image file: one of most, the pages of a TIFF stack, the pictures of an animation."""

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import SourceError
from rtseg.frame import Image
from rtseg.limits import check_size
from rtseg.sources.files.animations import UNSTATED_S, Animation, read_animation
from rtseg.sources.files.png_depth import significant_bits, significant_to_8_bits
from rtseg.sources.files.tiff_pages import TiffStack, tiff_stack
from rtseg.sources.files.video import VideoFile
from rtseg.sources.pixels.jpeg_damage import jpeg_damage
from rtseg.sources.pixels.jpeg_segments import joined_jpegs
from rtseg.sources.pixels.picture_size import picture_size
from rtseg.sources.pixels.still_aspect import still_aspect
from rtseg.sources.pixels.upright import STORED, upright_of_exif
from rtseg.sources.pixels.word_depth import words_in_8_bits
from rtseg.sources.pixels.zeroed_data import has_zeroed_jpeg

Pixels: TypeAlias = npt.NDArray[Any]  # (H, W) gray or (H, W, 3) RGB, uint8 or uint16

_MULTIPLE = frozenset({".png", ".apng", ".webp", ".tif", ".tiff"})  # suffixes of files that may hold several pictures
_PNG_FOLLOWS = b"IEND\xaeB`\x82\x89PNG\r\n\x1a\n"  # the end of a PNG, and the begin of another one
_JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"})
_GAIN_MAP, _MAX_METADATA = re.compile(rb"hdrgm:|hdrgainmap", re.IGNORECASE), 1 << 16
_MOST_UNUSED = 14  # bits of 16 that a picture may use whose depth is not known
_MAX_ANIMATION_BYTES = 1 << 28  # decoded at once
_CUT = "is not an image that can be read, or is cut off: save it again as 8-bit PNG"
_SAVED_PLAINLY = "save it uncompressed in 8 bits, in gray or RGB, as with `tiffcp -c none IN OUT`, or as 8-bit PNG"
_TILED = "cannot be read, or are damaged: save it in strips, as with `tiffcp -s IN OUT`, or as 8-bit PNG"


class DecodedPicture(NamedTuple):
    """Holds one picture of an image file."""

    pixels: Pixels
    """Gray (H, W) or RGB (H, W, 3), in the depth of the file."""
    shown_s: float | None = None
    """Seconds from the first picture of an animation to this one; None for other files."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height, as the file states it."""


def read_bytes(path: Path) -> bytes:
    """Return an image file's content. Raises SourceError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the file and its permissions") from error


def count_pictures(path: Path, *, is_alone: bool = False) -> int:
    """Return the number of pictures that an image file declares, 1 for a file that cannot be read.

    is_alone: also count JPEGs that stand one after the other, for which the whole file is read.
    """
    if is_alone and path.suffix.lower() in _JPEG:
        with suppress(SourceError):
            return len(_jpegs(read_bytes(path)))
    stack, animation = _structure(path)
    return max(1, len(stack.pages) if stack else animation.pictures)


def animation_fps(path: Path) -> float | None:
    """Return the mean rate of an animation; None for other files, and where it has no durations."""
    return _structure(path)[1].fps


def _structure(path: Path) -> tuple[TiffStack | None, Animation]:
    """Return the pages of a stack and the description of an animation, reading as little of the file as possible."""
    if path.suffix.lower() in _MULTIPLE:
        with suppress(OSError, ValueError), path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as coded:
            return tiff_stack(coded), read_animation(coded)
    return None, Animation()


def decode_pictures(path: Path) -> Iterator[DecodedPicture]:
    """Yield every picture of an image file, turned as it says. Raises SourceError, after those that can be read."""
    coded = read_bytes(path)
    stack, animation = tiff_stack(coded), read_animation(coded)
    if stack and stack.pages:
        yield from _stack(path, bytearray(coded), stack)
    elif animation.pictures > 1:
        yield from (_animated_webp if coded[:4] == b"RIFF" else _animated_png)(path, coded, animation)
    elif coded.startswith(b"\xff\xd8"):
        yield from _joined_jpegs(path, coded)
    else:
        yield _decoded(path, coded)


def decode_one(path: Path, coded: bytes | bytearray) -> Pixels:
    """Return the first picture of an image file, gray (H, W) or RGB (H, W, 3), in the depth of the file. Raises SourceError."""
    if coded.startswith(b"GIF8"):
        raise SourceError(f"{path} is a GIF, which is read as a film: let its name end in .gif")
    size = picture_size(coded)
    if size is not None:
        check_size(path, *size)
    if size is None or _is_cut_jpeg(coded) or (pixels := _decode(coded)) is None:
        raise SourceError(f"{path} {_CUT}")
    if coded.startswith(b"\xff\xd8"):
        if has_zeroed_jpeg(coded):
            raise SourceError(f"{path} is damaged: a part of its data was overwritten by zeros; copy it again")
        if damage := jpeg_damage(coded):
            raise SourceError(f"{path} is damaged: its coded data have {damage}; copy it again")
    if pixels.dtype == np.uint16 and (bits := significant_bits(coded)):
        pixels = significant_to_8_bits(pixels, bits)
    return _drop_equal_channels(pixels)


def _decoded(path: Path, coded: bytes | bytearray) -> DecodedPicture:
    """Return the first picture of an image file with the form of its pixels. Raises SourceError."""
    pixels = decode_one(path, coded)
    return DecodedPicture(pixels, pixel_aspect=still_aspect(coded, pixels.shape))


def _joined_jpegs(path: Path, coded: bytes) -> Iterator[DecodedPicture]:
    """Yield the first JPEG and those of its size that follow it, as in the files of multiple-picture cameras (MPO)."""
    pictures = _jpegs(coded)
    for given, picture in enumerate(pictures):
        try:
            decoded = _decoded(path, picture)
        except SourceError as error:
            if len(pictures) == 1:
                raise
            raise SourceError(f"{error} ({given} of its {len(pictures)} pictures can be read)") from error
        yield decoded


def _jpegs(coded: bytes) -> list[bytes | bytearray]:
    """Return the first JPEG and those that follow it, without previews of another size and maps of brightness (Ultra HDR)."""
    first, *others = joined_jpegs(coded)
    size = picture_size(first) if others else None
    alike = [one for one in others if picture_size(one) == size and not _GAIN_MAP.search(one, 0, _MAX_METADATA)]
    return [first, *alike]


def other_pictures(path: Path) -> int:
    """Return the number of JPEGs, which are previews, or PNGs in a file that are not read. Raises SourceError."""
    coded = read_bytes(path)
    if coded.startswith(b"\x89PNG"):
        return coded.count(_PNG_FOLLOWS)
    return len(joined_jpegs(coded)) - len(_jpegs(coded)) if coded.startswith(b"\xff\xd8") else 0


def _decode(coded: bytes | bytearray) -> Pixels | None:
    try:
        return cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None


def _is_cut_jpeg(coded: bytes | bytearray) -> bool:
    """Return whether a JPEG lacks its end, which OpenCV would silently fill with gray."""
    return coded.startswith(b"\xff\xd8") and coded.rfind(b"\xff\xd9") < coded.rfind(b"\xff\xda")


def _stack(path: Path, coded: bytearray, stack: TiffStack) -> Iterator[DecodedPicture]:
    for number, page in enumerate(stack.pages):
        if page.refusal:
            raise SourceError(f"{path} {page.refusal}")
        stack.make_first(coded, page)
        check_size(path, *(picture_size(coded) or (0, 0)))  # its error names another remedy than those below
        try:
            decoded = _decoded(path, coded)
        except SourceError as error:
            if page.rare:
                raise SourceError(f"{path} {page.rare}, which is not read here: {_SAVED_PLAINLY}") from error
            if page.tile:
                raise SourceError(f"{path} has tiles of {page.tile}, which {_TILED}") from error
            if not number:
                raise
            raise SourceError(f"{path} {_CUT} ({number} of its {len(stack.pages)} pages can be read)") from error
        yield decoded._replace(pixels=_inverted(path, decoded.pixels)) if page.is_inverted else decoded
    if stack.problem:
        raise SourceError(f"{path} has {len(stack.pages)} pages that can be read, and {stack.problem}: copy or save it again")


def _inverted(path: Path, pixels: Pixels) -> Pixels:
    """Return pixels of 16 bits, whose white is 0, with black at 0. Raises SourceError where their black is unknown."""
    if pixels.dtype != np.uint16 or int(pixels.max()) >> _MOST_UNUSED == 0:
        raise SourceError(f"{path} is white at 0, and how many bits it uses is not known: save it as 8-bit PNG")
    return np.invert(pixels)


def _animated_png(path: Path, coded: bytes, animation: Animation) -> Iterator[DecodedPicture]:
    given = 0
    if upright_of_exif(animation.orientation) != STORED:  # FFmpeg turns the first picture alone
        raise SourceError(f"{path} is an animated PNG that EXIF turns or mirrors: save it again upright, without EXIF")
    with closing(VideoFile(path)) as film:
        for frame in film:
            given += 1
            shown_s = None if frame.presentation_ns is None else frame.presentation_ns / 1e9
            yield DecodedPicture(frame.image, shown_s, still_aspect(coded, frame.image.shape))
    _check_count(path, given, animation.pictures)


def _animated_webp(path: Path, coded: bytes, animation: Animation) -> Iterator[DecodedPicture]:
    declared, turned = animation.pictures, upright_of_exif(animation.orientation)
    if not hasattr(cv2, "imdecodeanimation"):
        raise SourceError(
            f"{path} is an animated WebP, which needs OpenCV 4.11 or later: pip install -U opencv-python-headless"
        )
    height, width = picture_size(coded) or (0, 0)
    check_size(path, height, width)
    at_once = max(1, _MAX_ANIMATION_BYTES // max(1, height * width * 4))
    given, shown_s = 0, 0.0
    while given < declared:
        pictures = _webp_part(coded, given, min(at_once, declared - given))
        for pixels, duration_ms in pictures:
            shown = turned.apply(_drop_equal_channels(pixels[..., :3]))
            yield DecodedPicture(shown, shown_s, still_aspect(coded, shown.shape))
            given, shown_s = given + 1, shown_s + (duration_ms / 1000 or UNSTATED_S)
        if not pictures:
            break
    _check_count(path, given, declared)


def _webp_part(coded: bytes, first: int, count: int) -> list[tuple[Pixels, float]]:
    """Return some of the pictures of an animation, BGR or BGRA, with the milliseconds that each is shown."""
    try:
        found, animation = cv2.imdecodeanimation(np.frombuffer(coded, np.uint8), start=first, count=count)
    except cv2.error:
        return []
    pixels = animation.frames if found else ()
    return [(np.asarray(one), float(ms)) for one, ms in zip(pixels, np.ravel(animation.durations), strict=False)]


def _check_count(path: Path, given: int, declared: int) -> None:
    if given < declared:
        raise SourceError(
            f"{path} is cut off or damaged: {given} of its {declared} pictures can be read; copy or save it again"
        )


def _drop_equal_channels(pixels: Pixels) -> Pixels:
    """Return RGB (H, W, 3) of OpenCV's BGR, or (H, W) where the three channels are equal."""
    if pixels.ndim == 2:
        return pixels
    blue, green, red = cv2.split(pixels)
    if np.array_equal(blue, green) and np.array_equal(green, red):
        return np.asarray(green)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def to_8_bits(pixels: Pixels, path: Path, bits: int = 16) -> Image:
    """Return pixels of 16 bits in 8, from the range of 0 to 2^bits - 1; others as they are. Raises SourceError."""
    if pixels.dtype == np.uint16:
        return words_in_8_bits(pixels, bits)
    if pixels.dtype != np.uint8:
        raise SourceError(f"{path} has {pixels.dtype} pixels, whose white is not known: save it as 8-bit PNG")
    return np.asarray(pixels, np.uint8)
