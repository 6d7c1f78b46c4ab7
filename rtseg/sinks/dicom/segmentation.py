"""Describes the masks of a stream as a segmentation object (DICOM PS3.3, A.51 and C.8.20), frame by frame."""

from collections.abc import Iterator, Sequence

from rtseg.frame import SourceInstance
from rtseg.sinks.dicom.frame_references import digest_of
from rtseg.sinks.dicom.instance import StreamIdentity, code, common_header, own_code, set_pixels
from rtseg.sinks.dicom.probability_map import MAX_VALUE
from rtseg.sinks.dicom.segment_frames import SegmentationType, SegmentFrames
from rtseg.sinks.dicom.stated_references import derivation, set_references
from rtseg.sources.files.dicom_codec import pydicom

LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
PURPOSE = "segmentation"

_TISSUE = ("85756007", "SCT", "Tissue")


def segmentation_header(
    identity: StreamIdentity,
    shape: tuple[int, int],
    frames: SegmentFrames,
    images: Sequence[SourceInstance],
    classes: Sequence[str],
    codes: Sequence[str],
) -> pydicom.Dataset:
    """Return the header of a segmentation.

    images: what each picture of the stream refers to. classes: segment i + 1 is classes[i]. codes: of the classes, as
    "SCT:32062004", or "". The size of a pixel stands in what the frames refer to.
    """
    is_map, is_bits = frames.kind is SegmentationType.LABELMAP, frames.kind is SegmentationType.BINARY
    kind, content = LABEL_MAP_STORAGE if is_map else SEGMENTATION_STORAGE, frames.digest() + digest_of(images)
    header = common_header(identity, kind, PURPOSE, "SEG", 2, content)
    set_pixels(header, shape, frames.spool.count, 1 if is_bits else 8)
    header.ImageType, header.PatientOrientation = ["DERIVED", "PRIMARY"], ""
    header.SegmentationType = frames.kind.name
    if is_map:
        header.PixelPaddingValue = 0
    else:
        header.SegmentsOverlap = "NO" if is_bits else "YES"
    if frames.kind is SegmentationType.FRACTIONAL:
        header.SegmentationFractionalType, header.MaximumFractionalValue = "PROBABILITY", MAX_VALUE
    header.ContentLabel, header.ContentDescription, header.ContentCreatorName = "SEGMENTATION", identity.model[:64], ""
    header.BurnedInAnnotation = "NO"
    codes = [*codes, *[""] * (len(classes) - len(codes))]
    header.SegmentSequence = [_segment(i, *pair, identity.model) for i, pair in enumerate(zip(classes, codes, strict=True), 1)]
    set_references(header, identity, images)
    _set_dimensions(header, identity.uid("dimensions", content), has_segments=not is_map)
    header.SharedFunctionalGroupsSequence = [pydicom.Dataset()]
    return header


def _set_dimensions(header: pydicom.Dataset, uid: str, *, has_segments: bool) -> None:
    pointers = [(0x00209128, 0x00209111, "Temporal Position Index")]  # in Frame Content
    if has_segments:
        pointers.insert(0, (0x0062000B, 0x0062000A, "Referenced Segment Number"))  # in Segment Identification
    organization = pydicom.Dataset()
    organization.DimensionOrganizationUID = uid
    header.DimensionOrganizationSequence, header.DimensionIndexSequence = [organization], []
    for value, group, label in pointers:
        index = pydicom.Dataset()
        index.DimensionOrganizationUID, index.DimensionDescriptionLabel = uid, label
        index.DimensionIndexPointer, index.FunctionalGroupPointer = value, group
        header.DimensionIndexSequence.append(index)


def frame_groups(frames: SegmentFrames, images: Sequence[SourceInstance]) -> Iterator[pydicom.Dataset]:
    """Yield the functional groups of each frame: its class, its place in time, and the picture that it was made from."""
    for segment, number in zip(frames.segments, frames.numbers, strict=True):
        content, groups = pydicom.Dataset(), pydicom.Dataset()
        content.DimensionIndexValues, content.TemporalPositionIndex = [segment, number] if segment else [number], number
        groups.FrameContentSequence, groups.DerivationImageSequence = [content], [derivation(images[number - 1])]
        if segment:
            identification = pydicom.Dataset()
            identification.ReferencedSegmentNumber = segment
            groups.SegmentIdentificationSequence = [identification]
        yield groups


def _segment(number: int, name: str, known: str, model: str) -> pydicom.Dataset:
    segment, (scheme, _, value) = pydicom.Dataset(), known.partition(":")
    segment.SegmentNumber, segment.SegmentLabel = number, name[:64]
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", f"rtseg {model}"[:64]
    segment.SegmentedPropertyCategoryCodeSequence = [code(*_TISSUE)]
    kind = code(value, scheme, name) if value else own_code(name)
    segment.SegmentedPropertyTypeCodeSequence = [kind]
    return segment
