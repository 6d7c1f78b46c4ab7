"""Reads NIfTI files of ultrasound images, one or a sequence, through nibabel, for sources and datasets."""

import gzip
import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rtseg.errors import MissingExtra, SourceError
from rtseg.frame import Spacing
from rtseg.limits import check_size

try:
    from nibabel import Nifti1Header, Nifti1Image, Nifti2Header, Nifti2Image
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError
except ImportError:
    raise MissingExtra("a NIfTI file", "volumes") from None

Plane: TypeAlias = npt.NDArray[Any]  # (H, W) or (H, W, 3), of any number

_MAX_SIDE = 16384  # pixels
_HEADERS = {348: (Nifti1Header, Nifti1Image, 108, "f"), 540: (Nifti2Header, Nifti2Image, 168, "q")}  # with vox_offset's place
_ORDERS: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_FLAGS, _MAX_HEADER = 4, 1 << 22  # bytes: behind a header, and most of extensions
_SCANNER = 1  # code of a form
_BROKEN = (
    EOFError,
    HeaderDataError,
    ImageFileError,
    KeyError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
    WrapStructError,
    zlib.error,
)
_MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


@dataclass(frozen=True, slots=True)
class Volume:
    """Describes the frames of a file of (x, y), (x, y, t) or (x, y, 1, t): x along a row, y down a column, as stored."""

    path: Path  # of the file
    shape: tuple[int, ...]  # of a frame, (H, W) or (H, W, 3)
    frames: int  # how many
    dtype: "np.dtype[Any]"  # of the pixels, after the header's scaling
    steps: tuple[float, float]  # size of a pixel (down, along), in whatever unit
    spacing_mm: Spacing | None  # (down, along), None where the unit is unknown or the values are implausible
    fps: float | None  # frames a second, None where the unit is unknown or the value is implausible
    directions: tuple[tuple[float, ...], ...] = ()
    """Directions in space of a row and of a column, by the header's sform or qform; empty where it has neither."""
    shown: tuple[float, float] | None = None
    """Values that are black and white: cal_min and cal_max, or those of 0 and 255 where bytes are scaled; None otherwise."""
    note: str = ""
    """What is contradictory in the header; "" for nothing."""

    def pixels(self) -> Iterator[Plane]:
        """Yield each frame, read and unpacked when it is due. Raises SourceError after the last whole one."""
        with _opened(self.path) as image:
            for index in range(self.frames):
                try:
                    _check_complete(image, self.path, index)
                    yield _upright(_plane(image, index))
                except _BROKEN as error:
                    whole = f"{index} of its {self.frames} frames could be read"
                    raise SourceError(
                        f"{self.path} is cut off or damaged: {whole}; go on with those, or copy it again"
                    ) from error


def open_volume(path: Path) -> Volume:
    """Return the description of a file's frames. Raises SourceError."""
    with _opened(path) as image:
        shape, kind, header = image.shape, image.get_data_dtype(), image.header
        depth, times = (*shape[2:], 1, 1)[:2]
        if not (len(shape) in (2, 3, 4) and min(shape) > 0 and max(shape[:2]) <= _MAX_SIDE and 1 in (depth, times)):
            raise SourceError(f"{path} has a size of {shape}: a recording is (x, y, t)")
        check_size(path, shape[1], shape[0])
        colours = (3,) if kind.names in (("R", "G", "B"), ("R", "G", "B", "A")) else ()
        if not colours and kind.kind not in "iuf":
            raise SourceError(f"{path} has pixels of {kind}: save them as numbers from dark to bright")
        scaled = (image.dataobj.slope, image.dataobj.inter) != (1, 0)
        dtype = np.dtype(np.uint8) if colours else np.dtype(np.float64) if scaled else kind
        along, down = map(float, header["pixdim"][1:3])
        size = (shape[1], shape[0], *colours)
        directions, note = _directions(header)
        shown = _shown(header) if not colours else None
        if shown is None and scaled and kind == np.uint8:  # keep the levels of 8 bits, reversed by a negative slope
            black, white = sorted(float(image.dataobj.inter + image.dataobj.slope * value) for value in (0, 255))
            shown = (black, white) if black < white else None
        spacing_mm, rate = _spacing(header), _rate(header, times)
        return Volume(path, size, depth * times, dtype, (down, along), spacing_mm, rate, directions, shown, note)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file as an image, whose pixels are read while the file is open. Raises SourceError where it is none."""
    try:
        # An open handle continues at its position: a compressed file is unpacked once, not for each frame.
        file = gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the file and its permissions") from error
    with file:
        try:
            kind = _check_extensions(file)
            file.seek(0)
            image = kind.from_stream(file)
        except _BROKEN as error:
            raise SourceError(f"{path} is no NIfTI that can be read ({error}): save it again as .nii or .nii.gz") from error
        yield image


def _check_extensions(file: Any) -> Any:
    """Read a header's extensions from a bounded part of the file; raises where they are larger or invalid.

    Return nibabel's class of such an image.
    """
    start = file.read(_FLAGS)
    order = next((order for order in "<>" if start and int.from_bytes(start, _ORDERS[order]) in _HEADERS), "<")
    size = int.from_bytes(start, _ORDERS[order])
    header_kind, image_kind, place, number = _HEADERS.get(size, _HEADERS[348])
    size = size if size in _HEADERS else 348
    header = start + file.read(size)
    if header[size:][:1] in (b"", b"\0"):
        return image_kind
    (begin,) = struct.unpack_from(f"{order}{number}", header, place)
    length = int(min(max(begin - size - _FLAGS, 0), _MAX_HEADER)) if math.isfinite(begin) else 0
    header_kind.from_fileobj(io.BytesIO(header + file.read(length)))  # type: ignore[no-untyped-call]
    return image_kind


def _check_complete(image: Any, path: Path, index: int) -> None:
    """Raise EOFError where an uncompressed file is too short for a frame, before nibabel allocates memory for it."""
    width, height = image.shape[:2]
    end = image.dataobj.offset + (index + 1) * width * height * image.dataobj.dtype.itemsize
    if path.suffix.lower() != ".gz" and path.stat().st_size < end:
        raise EOFError


def _plane(image: Any, index: int) -> Plane:
    """Return one frame (x, y), scaled as the header specifies."""
    over = (0, index) if len(image.shape) == 4 and image.shape[2] == 1 else (index, 0)
    plane: Plane = image.dataobj[(slice(None), slice(None), *over[: len(image.shape) - 2])]
    return plane


def _upright(plane: Plane) -> Plane:
    """Return (H, W) or (H, W, 3) of a plane (x, y), whose colors are fields."""
    if plane.dtype.names is None:
        return np.ascontiguousarray(plane.T)
    return np.stack([plane[name].T for name in plane.dtype.names[:3]], axis=-1)


def _units(header: Any) -> tuple[str, str]:
    """Return nibabel's names of the units of space and of time."""
    try:
        space, time = header.get_xyzt_units()
    except KeyError:
        return "unknown", "unknown"
    return space, time


def _spacing(header: Any) -> Spacing | None:
    scale = _MILLIMETRES.get(_units(header)[0], 0.0)
    along, down = (round(abs(float(step)) * scale, 6) for step in header["pixdim"][1:3])  # pixdim has 32-bit floats
    return (down, along) if min(along, down) > 0 and max(along, down) < 1e3 and (along, down) != (1, 1) else None


def _rate(header: Any, times: int) -> float | None:
    seconds = float(header["pixdim"][4]) * _SECONDS.get(_units(header)[1], 0.0)
    return 1 / seconds if times > 1 and 1e-3 <= seconds <= 60 else None


def _directions(header: Any) -> tuple[tuple[tuple[float, ...], ...], str]:
    """Return the directions of a row and of a column by the sform, else the qform, and words where these contradict."""
    (sform, by_sform), (qform, by_qform) = header.get_sform(coded=True), header.get_qform(coded=True)
    forms = [form[:3, :2].T for form, code in ((sform, by_sform), (qform, by_qform)) if form is not None and code]
    if not forms or not all(np.isfinite(form).all() for form in forms):
        return (), ""
    differ = len(forms) > 1 and bool((np.sign(np.round(forms[0], 6)) != np.sign(np.round(forms[1], 6))).any())
    note = "has an sform and a qform of different directions: the sform is used" if differ else ""
    is_by_scanner = len(forms) > 1 and not differ and by_sform == by_qform == _SCANNER
    axes = (-1.0, -1.0, 1.0) if is_by_scanner else (1.0, 1.0, 1.0)  # to the left and backwards, as ITK and DICOM have them
    return tuple(tuple(float(part) * sign for part, sign in zip(row, axes, strict=True)) for row in forms[0]), note


def _shown(header: Any) -> tuple[float, float] | None:
    black, white = float(header["cal_min"]), float(header["cal_max"])
    return (black, white) if math.isfinite(black) and math.isfinite(white) and white > black else None
