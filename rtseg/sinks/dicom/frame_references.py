"""Holds which picture of which DICOM object each frame of a stream was made from."""

from array import array
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from rtseg.frame import Origin, SourceInstance


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
