"""Describe one DICOM file of a series: its frames, their times and their size."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rtseg.limits import check_size
from rtseg.sources.files.dicom_coded import CodedFrames
from rtseg.sources.files.dicom_decoder import FrameDecoder
from rtseg.sources.files.dicom_errors import translated_errors
from rtseg.sources.files.dicom_file import DicomFile, read_dicom
from rtseg.sources.files.dicom_fragments import ITEM
from rtseg.sources.files.dicom_header import integer
from rtseg.sources.files.dicom_native import NativeFrames
from rtseg.sources.files.dicom_spacing import PixelScale, pixel_scale
from rtseg.sources.files.dicom_timing import FrameTiming, timing
from rtseg.sources.files.dicom_video import VideoDescription, describe_video, is_video

CANNOT, REMEDY = "cannot be decoded", "have the archive send it again, as Explicit VR Little Endian"

_MAX_SIDE = 16384  # pixels
_UNSTATED = "does not state its transfer syntax: its coding is recognized by its data"


@dataclass(frozen=True, slots=True)
class Instance:
    """Describes one file of a series."""

    dicom: DicomFile  # the file and its header
    size: tuple[int, int]  # (height, width) in pixels
    stated: int  # number of frames in the header, 0 where there is none
    frames: int  # how many there should be: as stated, or as many as there are if those are more
    readable: int  # how many there are
    timing: FrameTiming  # when each frame is shown
    scale: PixelScale  # the size of the first frame's pixels
    video: VideoDescription | None  # of a video stream; None for frames that are stored one by one
    notes: tuple[str, ...]  # what is wrong with the header
    sort_key: tuple[object, ...]  # sorts the files of a folder

    @property
    def path(self) -> Path:
        """Return the path of the file."""
        return self.dicom.path


def read_instance(path: Path) -> Instance:
    """Return the description of a file from its header and the places of its frames. Raises SourceError."""
    what, remedy = "is no DICOM picture", "give a file of an ultrasound series, as the archive sends it"
    with translated_errors(path, what, remedy):
        dicom = read_dicom(path)
        header = dicom.header
        stated = integer(header, "NumberOfFrames")
        size = integer(header, "Rows"), integer(header, "Columns")
        if not (max(size) <= _MAX_SIDE and stated >= 0):
            raise ValueError(f"it says {stated} frames of {size[1]}x{size[0]} pixels")
    check_size(path, *size)
    video = _described(dicom) if is_video(dicom) else None
    with translated_errors(path, what, remedy):
        frames, readable = (max(stated, 1), stated) if video else _counts(dicom, stated)
        series, number = (integer(header, f"{name}Number") for name in ("Series", "Instance"))
        times, scale = timing(header, frames), pixel_scale(header)
        return Instance(
            dicom,
            video.size if video else size,
            stated,
            frames,
            readable,
            times,
            scale,
            video,
            _notes(dicom, stated, readable, times.note),
            (series, str(header.get("SeriesInstanceUID", "")), number, _natural_order(path.name)),
        )


def _described(dicom: DicomFile) -> VideoDescription:
    """Return the description of a video stream. Raises SourceError."""
    with translated_errors(dicom.path, CANNOT, REMEDY):
        return describe_video(dicom)


def stored_frames(dicom: DicomFile, data: BinaryIO, stated: int, decoder: FrameDecoder) -> NativeFrames | CodedFrames:
    """Return the frames of a file, plain or coded as its data are. Raises ValueError."""
    if dicom.length is None:
        return CodedFrames(dicom, data, stated, decoder)
    if dicom.syntax.is_encapsulated:
        data.seek(dicom.offset)
        if data.read(len(ITEM)) == ITEM:  # encapsulated, with a length that should be undefined
            return CodedFrames(dicom, data, stated, decoder)
    return NativeFrames(dicom, data, stated)


def _counts(dicom: DicomFile, stated: int) -> tuple[int, int]:
    """Return how many frames there should be, and how many there are."""
    with dicom.open_data() as data:
        frames = stored_frames(dicom, data, stated, FrameDecoder())
    if not frames.count:
        raise ValueError("it has no frames")
    return frames.count, frames.readable


def _notes(dicom: DicomFile, stated: int, readable: int, of_times: str) -> tuple[str, ...]:
    notes = [of_times]
    if not dicom.states_syntax:
        notes.append(_UNSTATED)
    if dicom.syntax.is_encapsulated and dicom.length is not None:
        notes.append("declares coded frames, and its pixel data have a length: read as the data are")
    if not stated and readable > 1:
        notes.append(f"states no NumberOfFrames: all {readable} frames that it holds are read")
    if 0 < stated < readable:
        notes.append(f"states NumberOfFrames {stated} and holds more frames: all {readable} are read")
    return tuple(note for note in notes if note)


def _natural_order(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts IM2 before IM10."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts)
