"""Builds the parts that all DICOM objects of a stream share, and writes an object in a stream of bytes."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from typing import Any

from rtseg.sources.files.dicom_codec import pydicom

PER_FRAME_GROUPS = 0x52009230
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
OWN_SCHEME, _LONGEST_CODE = "99RTSEG", 16
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)


@dataclass(frozen=True, slots=True)
class StreamIdentity:
    """Holds what tells a stream and its model apart, from which all UIDs are made, so that a replay gives the same ones."""

    digest: bytes
    """SHA-256 of the recording's pixels."""
    model: str
    """Name of the model."""
    model_digest: str
    """SHA-256 of the model's file, in hexadecimal digits."""
    written_at: str
    """Wall-clock time at which the objects are made, ISO 8601 in UTC. The time of the examination is not known."""
    patient: Mapping[str, str]
    """Values of the patient and the study by DICOM keyword, as the user gave them."""

    def uid(self, purpose: str, content: bytes = b"") -> pydicom.uid.UID:
        """Return the UID of an object, a series or a study (DICOM PS3.5, B.2: 2.25 and a 128-bit number).

        content: what else tells the object apart, so that two with different content have different ones.
        """
        named = "study" if purpose == "study" else f"{purpose} {self.model_digest}"
        patient = "".join(f"{keyword}={value}\n" for keyword, value in sorted(self.patient.items()))
        number = int.from_bytes(sha256(self.digest + (named + patient).encode() + content).digest()[:16], "big")
        return pydicom.uid.UID(f"2.25.{number}")

    @property
    def study(self) -> str:
        """Return the UID of the study in which the objects lie."""
        return self.patient.get("StudyInstanceUID") or self.uid("study")


def common_header(
    identity: StreamIdentity, sop_class: str, purpose: str, modality: str, series_number: int, content: bytes = b""
) -> pydicom.Dataset:
    """Return patient, study, series, equipment and SOP common modules. Nothing about the patient is made up."""
    header, written_at = pydicom.Dataset(), identity.written_at
    header.SOPClassUID, header.SOPInstanceUID = sop_class, identity.uid(purpose, content)
    header.PatientName = header.PatientID = header.PatientBirthDate = header.PatientSex = ""
    header.StudyInstanceUID = identity.study
    header.StudyDate = header.StudyTime = header.StudyID = header.AccessionNumber = ""
    header.ReferringPhysicianName = ""
    header.Modality, header.SeriesInstanceUID, header.SeriesNumber = (
        modality,
        identity.uid(f"series {purpose}", content),
        series_number,
    )
    header.Manufacturer, header.ManufacturerModelName = "rtseg", "rtseg"
    header.DeviceSerialNumber, header.SoftwareVersions = identity.model_digest[:16] or "0", version("rtseg")
    header.InstanceNumber = 1
    header.ContentDate, header.ContentTime = written_at[:10].replace("-", ""), written_at[11:19].replace(":", "")
    header.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in identity.patient.items():
        setattr(header, keyword, value)
    return header


def set_pixels(header: pydicom.Dataset, shape: tuple[int, ...], frames: int, bits: int = 8) -> None:
    """Describe the pixels (H, W) or (H, W, 3) of each frame, uint8 or of one bit."""
    header.Rows, header.Columns, header.NumberOfFrames = shape[0], shape[1], frames
    header.SamplesPerPixel = 3 if len(shape) == 3 else 1
    header.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
    if len(shape) == 3:
        header.PlanarConfiguration = 0
    header.BitsAllocated = header.BitsStored = bits
    header.HighBit, header.PixelRepresentation = bits - 1, 0
    header.LossyImageCompression = "00"


def code(value: str, scheme: str, meaning: str) -> pydicom.Dataset:
    """Return an item of a code sequence."""
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning[:64]
    return item


def own_code(name: str) -> pydicom.Dataset:
    """Return an item for a name that has no code of a public scheme; a long name is told apart by a hash."""
    short = name if len(name) <= _LONGEST_CODE else f"{name[:7]}-{sha256(name.encode()).hexdigest()[:8]}"
    return code(short, OWN_SCHEME, name)


def instance_bytes(
    header: pydicom.Dataset, groups: Iterable[pydicom.Dataset], syntax: str, pixel_data: Iterable[bytes]
) -> Iterator[bytes]:
    """Yield a file: the header, the per-frame functional groups if there are any, and the pixel data.

    syntax: UID of the transfer syntax, one of explicit VR, little endian.
    """
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, header, enforce_file_format=True)
    yield buffer.getvalue()
    yield from _sequence(groups)
    yield from pixel_data


def _sequence(items: Iterable[pydicom.Dataset]) -> Iterator[bytes]:
    """Yield a sequence of undefined length, an item at a time, so that memory does not grow with the frames."""
    is_begun = False
    for item in items:
        if not is_begun:
            yield struct.pack("<HH2sHI", PER_FRAME_GROUPS >> 16, PER_FRAME_GROUPS & 0xFFFF, b"SQ", 0, 0xFFFFFFFF)
            is_begun = True
        buffer = pydicom.filebase.DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, False
        pydicom.filewriter.write_dataset(buffer, item)
        coded: Any = buffer.getvalue()
        yield _ITEM + struct.pack("<I", len(coded)) + coded
    if is_begun:
        yield _SEQUENCE_END
