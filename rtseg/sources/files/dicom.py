"""Reads ultrasound in DICOM files, multi-frame or one file a frame, through pydicom and the decoders that it finds."""

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtseg.errors import MissingExtra, SourceError, SourceNotFound
from rtseg.frame import Origin, Spacing
from rtseg.limits import check_size
from rtseg.sources.base import DEFAULT_FPS, existing_file, path_exists, stream_info
from rtseg.sources.files.dicom_codec import apply_color_lut, get_decoder, iter_pixels, pixel_array, pydicom
from rtseg.sources.files.dicom_decoder import PREFIX, FrameDecoder
from rtseg.sources.files.dicom_header import TAGS, FrameTiming, spacing, timing
from rtseg.sources.files.dicom_pixels import PALETTE, display_window, to_display
from rtseg.sources.files.quiet_pydicom import SILENCE
from rtseg.sources.files.raw_frames import InflateReader
from rtseg.sources.files.sequence import FrameSequence, StoredFrame
from rtseg.sources.pixels.intensity import ColorLatch, Pixels, full_range_window

_MAX_SIDE = 16384  # pixels
_MAX_INFLATED = 1 << 28  # bytes
_META_BYTES = 144  # of preamble, prefix and group length; the rest of the file meta group follows


@dataclass(frozen=True, slots=True)
class Instance:
    """Describes one file of a series."""

    path: Path  # of the file
    size: tuple[int, int]  # (height, width) in pixels
    frames: int  # how many
    timing: FrameTiming  # when each frame is shown
    spacing_mm: Spacing | None  # pixel size (down, along) in mm, None where unknown
    sort_key: tuple[object, ...]  # sorts the files of a folder


def open_dicom(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> FrameSequence:
    """Open a DICOM file, or the files of a folder in the order of series and instance number.

    Frames are decoded one by one. The rate follows from the file's frame times, else it is 25; the pixel size is that of
    the B-mode region, and unknown where the files of a folder differ in it. No other header field is read, and none is
    logged. Raises SourceError, SourceNotFound, ConfigError.
    """
    path = Path(where)
    instances = _folder(path) if path_exists(path) and path.is_dir() else [_instance(existing_file(path))]
    first, spacings = instances[0], {instance.spacing_mm for instance in instances}
    rate = fps if fps is not None else first.timing.fps or DEFAULT_FPS
    known_mm = spacing_mm or (spacings.pop() if len(spacings) == 1 else None)
    return FrameSequence(stream_info(*first.size, rate, known_mm, sum(one.frames for one in instances)), _pictures(instances))


def _folder(folder: Path) -> list[Instance]:
    """Return a folder's DICOM images in order; files of other kinds are skipped."""
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed ({error.strerror}): check the folder's permissions") from error
    found = [instance for file in files if (instance := _instance_or_none(file))]
    if not found:
        raise SourceNotFound(f"{folder} holds no DICOM picture: give the folder in which the series' own files lie")
    return sorted(found, key=lambda instance: instance.sort_key)


def _instance_or_none(file: Path) -> Instance | None:
    try:
        return _instance(file)
    except SourceError:
        return None


def _instance(path: Path) -> Instance:
    """Return the description of a file from its header. Raises SourceError."""
    with _translated_errors(path, "is no DICOM picture", "give a file of an ultrasound series, as the archive sends it"):
        _check_deflated(path)
        header = _header(path)
        size, frames = (int(header.get("Rows") or 0), int(header.get("Columns") or 0)), int(header.get("NumberOfFrames") or 1)
        if not (min(size) > 0 and max(size) <= _MAX_SIDE and frames > 0):
            raise ValueError(f"it says {frames} frames of {size[1]}x{size[0]} pixels")
        series, number = (int(header.get(f"{name}Number") or 0) for name in ("Series", "Instance"))
        sort_key = (series, str(header.get("SeriesInstanceUID", "")), number, _natural_order(path.name))
        instance = Instance(path, size, frames, timing(header), spacing(header), sort_key)
    check_size(path, *size)
    if not header.file_meta.get("TransferSyntaxUID"):
        raise SourceError(f"{path} does not say how its pixels are coded (transfer syntax): have the archive send it again")
    return instance


def _check_deflated(path: Path) -> None:
    """Refuse a deflated data set that is too large: pydicom unpacks all of it at once. Raises ValueError, zlib.error."""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return
        meta = pydicom.filereader.read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
            return
        file.seek(_META_BYTES + int(meta.FileMetaInformationGroupLength))
        unpacked, left = InflateReader(file, has_header=False), _MAX_INFLATED
        while piece := unpacked.read(1 << 20):
            left -= len(piece)
            if left < 0:
                raise ValueError(f"its deflated data are more than {_MAX_INFLATED >> 20} MiB")


def _header(path: Path) -> Any:
    return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS), force=True)


def _pictures(instances: list[Instance]) -> Generator[StoredFrame, None, None]:
    grey = ColorLatch()
    with closing(FrameDecoder()) as decoder:
        for instance in instances:
            given = 0
            try:
                for picture in _frames(instance, grey, decoder):
                    yield picture
                    given += 1
            except SourceError as error:
                raise SourceError(f"{error}; {given} of its {instance.frames} frames could be read") from error


def _frames(instance: Instance, grey: ColorLatch, decoder: FrameDecoder) -> Iterator[StoredFrame]:
    """Yield one file's frames. Raises SourceError after the last that can be decoded."""
    what, remedy = "cannot be decoded", "have the archive send it again, as Explicit VR Little Endian"
    with _translated_errors(instance.path, what, remedy):
        header = _header(instance.path)
        syntax = header.file_meta.TransferSyntaxUID
        lacks_decoder = syntax.is_encapsulated and not get_decoder(syntax).is_available
    if lacks_decoder:
        raise MissingExtra(f"{instance.path}, coded as {syntax.name},", "dicom")
    with _translated_errors(instance.path, what, remedy):
        window = display_window(header) or full_range_window(_decoded(instance, header, decoder))
    with closing(_decoded(instance, header, decoder)) as decoded:
        for index in range(instance.frames):
            with _translated_errors(instance.path, what, remedy):
                pixels = next(decoded)
                pixels = apply_color_lut(pixels, header) if header.PhotometricInterpretation == PALETTE else pixels
                image = grey.apply(to_display(pixels, header, window))
            yield StoredFrame(image, Origin(timestamp_ns=instance.timing.timestamp_ns(index), spacing_mm=instance.spacing_mm))


def _decoded(instance: Instance, header: Any, decoder: FrameDecoder) -> Generator[Pixels, None, None]:
    """Yield a file's frames as they are stored, with luma and chroma converted to RGB."""
    syntax = header.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        yield from decoder.frames(instance.path, syntax)
        return
    # pydicom looks for pixels behind a header that is plain: it unpacks a deflated data set as a whole, or not at all.
    stored = pydicom.dcmread(instance.path) if syntax.is_deflated else instance.path
    if header.PhotometricInterpretation == "YBR_FULL_422":
        # One by one: pydicom 3.0 reads the second frame as if its chroma were not subsampled.
        for index in range(instance.frames):
            yield pixel_array(stored, index=index)
    else:
        yield from iter_pixels(stored)


@contextmanager
def _translated_errors(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Raise SourceError for errors of pydicom and its decoders; suppress their warnings, which quote headers."""
    try:
        with SILENCE:
            yield
    except Exception as error:
        reason = " ".join(str(error).split()).removeprefix(PREFIX).removeprefix("rtseg: ")[:300] or type(error).__name__
        raise SourceError(f"{path} {what} ({reason}): {remedy}") from error


def _natural_order(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts IM2 before IM10."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts)
