"""Read the coded frames of a DICOM file, by the coding that the frames themselves have."""

from typing import BinaryIO

from rtseg.sources.files.coded_size import CodedFormat, coded_format
from rtseg.sources.files.dicom_codec import get_decoder, pydicom
from rtseg.sources.files.dicom_decoder import RLE, FrameDecoder
from rtseg.sources.files.dicom_file import DicomFile
from rtseg.sources.files.dicom_fragments import read_fragments, read_frame
from rtseg.sources.files.dicom_header import integer
from rtseg.sources.pixels.intensity import Pixels
from rtseg.sources.pixels.jpeg_damage import jpeg_damage
from rtseg.sources.pixels.zeroed_data import has_zeroed_jpeg

_FAMILIES = ("JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000")
_FAMILY = {"50": 0, "51": 0, "57": 1, "70": 1, "80": 2, "81": 2, "90": 3, "91": 3, "201": 3, "202": 3, "203": 3}
_MOST_BITS = 32
_ROOT = "1.2.840.10008.1.2.4."


class CodedFrames:
    """Reads the coded frames of a file, in any order, and decodes each in the child process of `decoder`."""

    def __init__(self, dicom: DicomFile, data: BinaryIO, stated: int, decoder: FrameDecoder) -> None:
        self._dicom, self._data, self._decoder = dicom, data, decoder
        self._frames = read_fragments(data, dicom).frames(stated)
        self.readable = len(self._frames)
        self.count = max(stated, self.readable)
        first = coded_format(read_frame(data, self._frames[0])) if self._frames else None
        self.syntax, self.note = _coded_syntax(dicom, first)
        self._header, self._damage = dicom.header, ""
        self.model = first.model if first else ""
        self.is_signed = first.is_signed if first else None

    @property
    def damage(self) -> str:
        """Return why the frame that was read last is not to be trusted; "" where nothing is known against it."""
        return self._decoder.damage or self._damage

    @property
    def lacks_decoder(self) -> bool:
        """Return whether no installed package decodes the frames. Raises NotImplementedError for an unknown coding."""
        return not get_decoder(self.syntax).is_available

    @property
    def syntax_name(self) -> str:
        """Return the name of the coding."""
        return str(pydicom.uid.UID(self.syntax).name)

    def read(self, index: int) -> Pixels:
        """Return the components of a frame as they are coded, (H, W) or (H, W, 3). Raises ValueError."""
        if index >= self.readable:
            raise ValueError("its coded frames end")
        coded = read_frame(self._data, self._frames[index])
        form = coded_format(coded)
        self._damage = _damage(coded)
        samples = form.samples if form else integer(self._header, "SamplesPerPixel", 1)
        bits = form.bits if form and form.bits <= _MOST_BITS else integer(self._header, "BitsAllocated", 8)
        if samples not in (1, 3) or not 0 < bits <= _MOST_BITS:
            raise ValueError(f"{samples} samples of {bits} bits a pixel cannot be decoded")
        size = integer(self._header, "Rows"), integer(self._header, "Columns")
        shape = size if samples == 1 else (*size, samples)
        return self._decoder.decode(coded, self.syntax, shape, bits, is_signed=bool(form and form.is_signed))


def _damage(coded: bytes) -> str:
    """Return what is wrong with a frame's coded data, or ""; nothing is known of other codings than JPEG."""
    if not coded.startswith(b"\xff\xd8"):
        return ""
    found = "a part that was overwritten by zeros" if has_zeroed_jpeg(coded) else jpeg_damage(coded)
    return f"its coded data are damaged: they have {found}" if found else ""


def _coded_syntax(dicom: DicomFile, form: CodedFormat | None) -> tuple[str, str]:
    """Return the transfer syntax of the frames, and words where it is another than the file's."""
    stated = str(dicom.syntax)
    family = _FAMILY.get(stated.removeprefix(_ROOT)) if stated.startswith(_ROOT) else None
    if form is None:  # RLE has no markers; a damaged frame is decoded as declared, and refused there
        return (stated, "") if dicom.syntax.is_encapsulated else (RLE, "")
    coded = _FAMILY[form.syntax.removeprefix(_ROOT)]
    if family == coded:
        is_baseline = coded == 0 and form.bits == 8
        return (f"{_ROOT}50" if is_baseline else stated), ""
    return form.syntax, f"declares another coding of its frames than they have, which are {_FAMILIES[coded]}: read as coded"
