"""Applies the transform with which a picture is shown: the eight ways to mirror and turn it."""

import math
import struct
from fractions import Fraction
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.filter import Graph
from av.sidedata.sidedata import Type

from rtseg.errors import SourceError

_MATRIX_BYTES = 36  # nine integers of 32 bits, in the machine's order
_MAX_SLANT = 0.05  # of a matrix that counts as one of the eight: 3 degrees
_MAX_KINDS = 64  # of side data, of which FFmpeg 8 has 32


def _unnamed_kind(kinds: type[Type], value: object) -> Type:
    """Return a member for a kind of side data that FFmpeg has and PyAV does not name, such as EXIF (31)."""
    kind: Any = object.__new__(kinds)
    kind._name_, kind._value_ = f"UNNAMED_{value}", value
    return cast("Type", kind)


# PyAV 18 raises ValueError at such a kind, and then hides the display matrix beside it.
Type._missing_ = classmethod(_unnamed_kind)  # type: ignore[assignment,method-assign]


class Upright(NamedTuple):
    """Describes how a stored picture is shown: transposed first, then mirrored."""

    is_transposed: bool = False
    """Rows and columns change places."""
    mirrors_across: bool = False
    """Left and right change places, after the transposition."""
    mirrors_down: bool = False
    """Top and bottom change places, after the transposition."""

    def apply(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a picture (H, W) or (H, W, C) as it is shown."""
        if self == STORED:
            return image
        if self in _TURNS:
            return np.asarray(cv2.rotate(image, _TURNS[self]), image.dtype)
        shown = cv2.transpose(image) if self.is_transposed else image
        if self.mirrors_across or self.mirrors_down:
            shown = cv2.flip(shown, -1 if self.mirrors_across and self.mirrors_down else int(self.mirrors_across))
        return np.asarray(shown, image.dtype)

    def aspect(self, pixel_aspect: float) -> float:
        """Return the pixel aspect of the shown picture, given that of the stored one."""
        return 1 / pixel_aspect if self.is_transposed else pixel_aspect


STORED = Upright()
_TURNS = {
    Upright(mirrors_across=True, mirrors_down=True): cv2.ROTATE_180,
    Upright(is_transposed=True, mirrors_across=True): cv2.ROTATE_90_CLOCKWISE,
    Upright(is_transposed=True, mirrors_down=True): cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_BY_EXIF = {  # TIFF 6.0, tag 274
    2: Upright(mirrors_across=True),
    3: Upright(mirrors_across=True, mirrors_down=True),
    4: Upright(mirrors_down=True),
    5: Upright(is_transposed=True),
    6: Upright(is_transposed=True, mirrors_across=True),
    7: Upright(is_transposed=True, mirrors_across=True, mirrors_down=True),
    8: Upright(is_transposed=True, mirrors_down=True),
}


def upright_of_exif(orientation: int) -> Upright:
    """Return the transform of EXIF's and TIFF's Orientation; an unknown value changes nothing."""
    return _BY_EXIF.get(orientation, STORED)


def upright_of_frame(picture: VideoFrame) -> Upright:
    """Return the transform of a decoded picture's display matrix. Raises SourceError."""
    data = _display_matrix(picture)
    return upright_of_matrix(*struct.unpack_from("=2i4x2i", data)) if len(data) >= _MATRIX_BYTES else STORED


def _display_matrix(picture: VideoFrame) -> bytes:
    """Return a picture's display matrix, b"" where it has none."""
    try:
        side_data = picture.side_data
    except ValueError:  # PyAV 18 refuses all side data where one kind is new to it, as the EXIF of a JPEG is
        side_data = _without_unknown(picture).side_data
    found = cast("Any", side_data).get(Type.DISPLAYMATRIX)
    return b"" if found is None else bytes(found)


def _without_unknown(picture: VideoFrame) -> VideoFrame:
    """Return a picture with the side data alone that PyAV knows."""
    graph, known = Graph(), {kind.value for kind in Type}
    place = graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 1000))
    for kind in sorted(set(range(_MAX_KINDS)) - known):
        following = graph.add("sidedata", f"mode=delete:type={kind}")
        place.link_to(following)
        place = following
    place.link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(picture)
    return cast("VideoFrame", graph.pull())


def upright_of_matrix(a: int, b: int, c: int, d: int) -> Upright:
    """Return the transform nearest to a display matrix. Raises SourceError for one that is turned by other than right angles.

    A stored pixel at (x across, y down) is shown at (a x + c y, b x + d y), as ISO 14496-12 and FFmpeg define it.
    """
    straight, across = abs(a) + abs(d), abs(b) + abs(c)
    if min(straight, across) > _MAX_SLANT * max(straight, across):
        turned = round(math.degrees(math.atan2(b, a))) % 360
        raise SourceError(
            f"the film is to be shown turned by {turned} degrees, and rtseg turns by right angles alone: convert it, as by "
            "`ffmpeg -i FILM TURNED.mkv`, which turns the pictures"
        )
    if straight >= across:
        return Upright(mirrors_across=a < 0, mirrors_down=d < 0)
    return Upright(is_transposed=True, mirrors_across=c < 0, mirrors_down=b < 0)
