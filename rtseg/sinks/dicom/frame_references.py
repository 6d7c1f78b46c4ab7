"""Holds which picture of which DICOM object each frame of a stream was made from."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

from rtseg.frame import Origin, SourceInstance
from rtseg.sinks.dicom.instance import StreamIdentity, code
from rtseg.sources.files.dicom_codec import pydicom


class FrameReferences:
    """Collects what the frames of a stream refer to, in little memory.

    is_dicom: whether the frames so far come from DICOM files. has_nameless: whether one of those files states no UIDs.
    """

    def __init__(self) -> None:
        self.is_dicom, self.has_nameless = True, False
        self._places: dict[SourceInstance, int] = {}
        self._at, self._numbers = array("L"), array("L")

    def add(self, origin: Origin | None) -> None:
        """Add the next frame."""
        named = origin.instance if origin else None
        if named is None or not self.is_dicom:
            self.is_dicom = False
            return
        self.has_nameless |= not named.is_known
        self._at.append(self._places.setdefault(replace(named, number=1), len(self._places)))
        self._numbers.append(named.number)

    def drop_last(self, count: int) -> None:
        """Drop the frames after the first `count` ones."""
        del self._at[count:], self._numbers[count:]

    @property
    def are_known(self) -> bool:
        """Return whether each frame can be referred to in its source."""
        return self.is_dicom and not self.has_nameless and bool(self._numbers)

    def images(self) -> list[SourceInstance]:
        """Return what each frame was made from."""
        files = list(self._places)
        return [replace(files[at], number=number) for at, number in zip(self._at, self._numbers, strict=True)]


def digest_of(images: Sequence[SourceInstance]) -> bytes:
    """Return the SHA-256 of what frames refer to."""
    found = sha256()
    for one in images:
        found.update(f"{one.sop_instance} {one.number},".encode())
    return found.digest()


def set_references(header: pydicom.Dataset, identity: StreamIdentity, images: Sequence[SourceInstance]) -> None:
    """State all objects that frames refer to (Common Instance Reference, PS3.3 C.12.2), by series and study."""
    instances = dict.fromkeys(replace(one, number=1) for one in images)
    mine = [one for one in instances if one.study == identity.study]
    if mine:
        header.ReferencedSeriesSequence = list(_series(mine))
    studies = []
    for study in dict.fromkeys(one.study for one in instances if one.study != identity.study):
        other = pydicom.Dataset()
        other.StudyInstanceUID = study
        other.ReferencedSeriesSequence = list(_series([one for one in instances if one.study == study]))
        studies.append(other)
    if studies:
        header.StudiesContainingOtherReferencedInstancesSequence = studies


def _series(instances: Sequence[SourceInstance]) -> Iterator[pydicom.Dataset]:
    for uid in dict.fromkeys(one.series for one in instances):
        series = pydicom.Dataset()
        series.SeriesInstanceUID = uid
        series.ReferencedInstanceSequence = [_instance(one) for one in instances if one.series == uid]
        yield series


def _instance(image: SourceInstance) -> pydicom.Dataset:
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.sop_class, image.sop_instance
    return reference


def derivation(image: SourceInstance) -> pydicom.Dataset:
    """Return the item of a Derivation Image Sequence: a segmentation of this picture, pixel by pixel."""
    source, item = _instance(image), pydicom.Dataset()
    if image.frames > 1:
        source.ReferencedFrameNumber = image.number
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
    item.SourceImageSequence, item.DerivationCodeSequence = [source], [code("113076", "DCM", "Segmentation")]
    return item
