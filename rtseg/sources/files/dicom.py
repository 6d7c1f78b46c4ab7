"""Reads ultrasound in DICOM files, multi-frame or one file a frame, through pydicom and the decoders that it finds."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from rtseg.errors import MissingExtra, SourceError, SourceNotFound
from rtseg.frame import Image, Origin, SourceInstance, Spacing
from rtseg.sources.base import DEFAULT_FPS, existing_file, path_exists, stream_info
from rtseg.sources.files.dicom_codec import pydicom
from rtseg.sources.files.dicom_coded import CodedFrames
from rtseg.sources.files.dicom_decoder import FrameDecoder
from rtseg.sources.files.dicom_errors import translated_errors
from rtseg.sources.files.dicom_frames import FrameConverter
from rtseg.sources.files.dicom_header import per_frame_groups, uid
from rtseg.sources.files.dicom_instance import CANNOT, REMEDY, Instance, read_instance, stored_frames
from rtseg.sources.files.dicom_spacing import PixelScale, pixel_scale
from rtseg.sources.files.dicom_video import video_images
from rtseg.sources.files.sequence import FrameSequence, StoredFrame
from rtseg.sources.files.source_notes import SourceNotes
from rtseg.sources.pixels.intensity import ColorLatch

_SUFFIXES = (".dcm", ".dicom", ".ima")
_NO_PICTURES = (  # starts of SOP classes: directories, reports, presentation states, waveforms, documents
    "1.2.840.10008.1.3.10",
    *(f"1.2.840.10008.5.1.4.1.1.{kind}." for kind in (9, 11, 66, 88, 104)),
)
_Marked: TypeAlias = tuple[Image, str]  # an image, and why it is not to be trusted or ""
_LONGEST_GAP = 10_000  # frames of a damaged file, whose stated number may be absurd
_MOST_DECODERS = 3  # child processes of one source: each ends with a frame that makes it crash


def open_dicom(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> FrameSequence:
    """Open a DICOM file, or the files of a folder in the order of series and instance number.

    Frames are decoded one by one, as many as there are. The rate follows from the file's frame times, else it is 25; the pixel
    size is that of the ultrasound regions, and unknown where the regions or the files of a folder differ in it. Where header
    and data disagree the data are believed, which is logged once. Only what describes pixels, times and regions is read, and
    no header text is logged. Raises SourceError, SourceNotFound, ConfigError.
    """
    path, notes = Path(where), SourceNotes()
    is_folder = path_exists(path) and path.is_dir()
    instances = read_folder(path, notes) if is_folder else [read_instance(existing_file(path))]
    for instance in instances:
        for words in (*instance.notes, "" if spacing_mm else instance.scale.note):
            notes.say(instance.path, words)
    first, spacings = instances[0], {instance.scale.spacing_mm for instance in instances}
    rate = fps if fps is not None else _rate(first)
    known_mm = spacing_mm or (spacings.pop() if len(spacings) == 1 else None)
    info = stream_info(*first.size, rate, known_mm, sum(one.frames for one in instances))
    info = replace(info, pixel_aspect=_scale(first, 0).aspect)
    return FrameSequence(info, _pictures(instances, notes, has_times=fps is None), notes.omitted)


def _rate(instance: Instance) -> float:
    """Return frames a second: as the file's times say, or its video stream, else 25."""
    return instance.timing.fps or (instance.video.fps if instance.video else DEFAULT_FPS)


def read_folder(folder: Path, notes: SourceNotes) -> list[Instance]:
    """Return a folder's DICOM images in order; files of other kinds are skipped, damaged ones are left out."""
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed ({error.strerror}): check the folder's permissions") from error
    found = list[Instance]()
    for file in files:
        try:
            found.append(read_instance(file))
        except SourceError as error:
            if _is_damaged_picture(file):
                notes.leave_out(file, f"is left out: {error}")
    if not found:
        raise SourceNotFound(f"{folder} holds no DICOM picture: give the folder in which the series' own files lie")
    if (series := len({str(instance.sort_key[1]) for instance in found})) > 1:
        notes.say(folder, f"holds {series} series, which are played one after the other: give each a folder of its own")
    return sorted(found, key=lambda instance: instance.sort_key)


def _is_damaged_picture(file: Path) -> bool:
    """Return whether a file that cannot be read is a DICOM file that should hold a picture."""
    try:
        with file.open("rb") as stream:
            is_dicom = stream.read(132)[128:] == b"DICM"
        with translated_errors(file, "is damaged", "copy it again"):
            meta: Any = pydicom.filereader.read_file_meta_info(file) if is_dicom else {}
            kind = str(meta.get("MediaStorageSOPClassUID", ""))
    except (OSError, SourceError):
        return True
    is_named = file.suffix.lower() in _SUFFIXES and not file.name.startswith("._")
    return (is_dicom or is_named) and not f"{kind}.".startswith(_NO_PICTURES)


def _pictures(instances: list[Instance], notes: SourceNotes, *, has_times: bool) -> Generator[StoredFrame, None, None]:
    """Yield the frames of all files. Raises SourceError after the last one, where one file could not be read to its end.

    Of several files the rest of a damaged one leaves a gap and stands in `notes.omitted`, unless no frame could be read.
    has_times: whether the files' own times hold.
    """
    has_times = has_times and all(instance.timing.period_ms for instance in instances)
    gray, start_ns, problems, decoder, total = ColorLatch(), 0, list[str](), FrameDecoder(), 0
    try:
        for instance in instances:
            given = 0
            try:
                for picture in _frames(instance, gray, decoder, notes):
                    shown_ns = instance.timing.timestamp_ns(given)
                    yield picture._replace(presentation_ns=start_ns + (shown_ns or 0) if has_times else None)
                    given, total = given + 1, total + 1
            except SourceError as error:
                problems.append(f"{error}; {given} of its {instance.frames} frames could be read")
                if len(instances) == 1:
                    break
                notes.leave_out(instance.path, f"is left out in part: {problems[-1]}")
                missing = min(instance.frames - given, _LONGEST_GAP)
                yield from [StoredFrame(None)] * missing
                given += missing
                if decoder.is_broken and len(problems) < _MOST_DECODERS:
                    decoder.close()
                    decoder = FrameDecoder()
            start_ns += instance.timing.timestamp_ns(given) or 0
    finally:
        decoder.close()
    if problems and (len(instances) == 1 or not total):
        raise SourceError(problems[0])


def _frames(instance: Instance, gray: ColorLatch, decoder: FrameDecoder, notes: SourceNotes) -> Iterator[StoredFrame]:
    """Yield one file's frames. Raises SourceError after the last that can be decoded."""
    images = _video(instance, notes) if instance.video else _stored(instance, decoder, notes)
    scale, has_groups = _scale(instance, 0), bool(per_frame_groups(instance.dicom.header))
    named = _named(instance)
    with closing(images):
        for index, (image, damage) in enumerate(images):
            if has_groups:
                scale = _scale(instance, index)
                notes.say(instance.path, scale.note)
            origin = Origin(
                timestamp_ns=instance.timing.timestamp_ns(index),
                spacing_mm=scale.spacing_mm,
                instance=replace(named, number=index + 1),
            )
            yield StoredFrame(gray.apply(image), origin, scale.spacing_mm, pixel_aspect=scale.aspect, damage=damage)


def _named(instance: Instance) -> SourceInstance:
    """Return what names the first frame of a file."""
    header = instance.dicom.header
    kind, sop, series, study = (
        uid(header, f"{name}UID") for name in ("SOPClass", "SOPInstance", "SeriesInstance", "StudyInstance")
    )
    return SourceInstance(kind, sop, series, study, 1, max(1, instance.frames))


def _scale(instance: Instance, index: int) -> PixelScale:
    """Return the size of a frame's pixels; where the header states none, their form may stand in the video stream."""
    scale = pixel_scale(instance.dicom.header, index)
    has_form = scale.spacing_mm is not None or scale.aspect != 1 or instance.video is None
    return scale if has_form or instance.video is None else replace(scale, aspect=instance.video.pixel_aspect)


def _stored(instance: Instance, decoder: FrameDecoder, notes: SourceNotes) -> Generator[_Marked, None, None]:
    """Yield the images of frames that are stored one by one."""
    with translated_errors(instance.path, CANNOT, REMEDY):
        data = instance.dicom.open_data()
    with data:
        with translated_errors(instance.path, CANNOT, REMEDY):
            frames = stored_frames(instance.dicom, data, instance.stated, decoder)
            lacks_decoder = isinstance(frames, CodedFrames) and frames.lacks_decoder
        if isinstance(frames, CodedFrames) and lacks_decoder:
            raise MissingExtra(f"{instance.path}, coded as {frames.syntax_name},", "dicom")
        with translated_errors(instance.path, CANNOT, REMEDY):
            converter = FrameConverter(instance.dicom, frames)
        for words in converter.notes:
            notes.say(instance.path, words)
        for index in range(frames.count):
            with translated_errors(instance.path, CANNOT, REMEDY):
                image = converter.image(index)
            notes.say(instance.path, f"has a damaged frame {index}: {frames.damage}" if frames.damage else "")
            yield image, frames.damage


def _video(instance: Instance, notes: SourceNotes) -> Generator[_Marked, None, None]:
    """Yield the images of a video stream."""
    given, images = 0, video_images(instance.dicom)
    with closing(images):
        while True:
            with translated_errors(instance.path, CANNOT, "have the archive send it again"):
                marked = next(images, None)
                if marked is None and given < instance.stated:
                    raise ValueError("its video ends early")
            if marked is None:
                break
            given += 1
            yield marked
    if 0 < instance.stated < given:
        notes.say(instance.path, f"states NumberOfFrames {instance.stated} and holds more: all {given} are read")
