"""Read what a coded DICOM frame declares of itself: JPEG, JPEG-LS and JPEG 2000."""

import struct
from dataclasses import dataclass

from rtseg.sources.pixels.picture_size import picture_size

_CODESTREAM = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, and the marker of its size (ITU-T T.800, A.5.1)
_BOXES = b"\0\0\0\x0cjP  "  # the JP2 file format around a codestream
_COMPONENT_STYLE = b"\xff\x52"  # JPEG 2000: the marker of the coding style
_SCAN, _END = 0xDA, 0xD9  # JPEG
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_LOSSLESS, _LS = frozenset({0xC3, 0xC7, 0xCB, 0xCF}), 0xF7
RGB, YBR = "RGB", "YBR_FULL"  # color models


@dataclass(frozen=True, slots=True)
class CodedFormat:
    """Describes a coded frame by its own header."""

    syntax: str  # UID of a transfer syntax that codes such frames
    bits: int  # of a sample
    samples: int  # of a pixel
    model: str = ""  # color model by the frame's own markers; "" where they do not say
    is_signed: bool | None = None  # only JPEG 2000 says so


def coded_size(coded: bytes) -> tuple[int, int] | None:
    """Return the (height, width) that a coded frame declares, in time linear in its bytes; None where it declares none."""
    if coded.startswith(b"\xff\xd8"):
        return picture_size(coded)
    start = _codestream(coded)
    if start is None:
        return None
    try:
        right, bottom, left, top = struct.unpack_from(">4I", coded, start + 8)
    except struct.error:
        return None
    return bottom - top, right - left


def begins_frame(data: bytes) -> bool:
    """Return whether bytes are the first ones of a coded frame: JPEG, JPEG-LS, JPEG 2000 or RLE."""
    if data.startswith((b"\xff\xd8\xff", _CODESTREAM, _BOXES)):
        return True
    if len(data) < 8:
        return False
    segments, first = struct.unpack_from("<II", data)
    return bool(1 <= segments <= 15 and first == 64)


def coded_format(coded: bytes) -> CodedFormat | None:
    """Return what a frame's own header says of its coding; None where it is none of these or damaged."""
    try:
        if coded.startswith(b"\xff\xd8"):
            return _jpeg_format(coded)
        start = _codestream(coded)
        return None if start is None else _jpeg_2000_format(coded, start)
    except (struct.error, IndexError):
        return None


def _codestream(coded: bytes) -> int | None:
    start = coded.find(_CODESTREAM) if coded.startswith(_BOXES) else 0
    return start if start >= 0 and coded.startswith(_CODESTREAM, start) else None


def _jpeg_format(coded: bytes) -> CodedFormat | None:
    """Return the format by the segments before the first scan."""
    at, adobe, has_jfif, header, kind = 2, -1, False, b"", 0
    while at + 4 <= len(coded):
        if coded[at] != 0xFF or coded[at + 1] == 0xFF:
            at += 1
            continue
        marker = coded[at + 1]
        if marker in (_SCAN, _END):
            break
        if marker in _ALONE or marker == 0:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", coded, at + 2)
        body = coded[at + 4 : at + 2 + max(2, length)]
        if marker in _FRAME_HEADERS:
            header, kind = body, marker
        has_jfif = has_jfif or (marker == 0xE0 and body.startswith(b"JFIF"))
        if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        at += 2 + max(2, length)
    if len(header) < 6:
        return None
    model = _jpeg_model(header, adobe, has_jfif=has_jfif) if header[5] == 3 else ""
    return CodedFormat(_jpeg_syntax(kind, header[0]), header[0], header[5], model)


def _jpeg_model(header: bytes, adobe: int, *, has_jfif: bool) -> str:
    """Return the color model: by subsampling, Adobe's marker, JFIF's, and the names of the components, in this order."""
    components = [header[6 + 3 * number : 9 + 3 * number] for number in range(3)]
    if len({component[1] for component in components}) > 1:
        return YBR  # nobody subsamples green and blue
    if adobe >= 0:
        return YBR if adobe else RGB
    if bytes(component[0] for component in components) in (b"RGB", b"rgb"):
        return RGB
    return YBR if has_jfif else ""


def _jpeg_syntax(kind: int, bits: int) -> str:
    if kind == _LS:
        return "1.2.840.10008.1.2.4.81"
    if kind in _LOSSLESS:
        return "1.2.840.10008.1.2.4.57"
    return "1.2.840.10008.1.2.4.50" if bits == 8 else "1.2.840.10008.1.2.4.51"


def _jpeg_2000_format(coded: bytes, start: int) -> CodedFormat:
    """Return the format by the codestream's size, and by its coding style, which says whether color is transformed."""
    (samples,) = struct.unpack_from(">H", coded, start + 40)
    precision = coded[start + 42]
    style = coded.find(_COMPONENT_STYLE, start)
    is_transformed = samples == 3 and style > 0 and coded[style + 8] == 1
    return CodedFormat(
        "1.2.840.10008.1.2.4.91", (precision & 0x7F) + 1, samples, RGB if is_transformed else "", bool(precision & 0x80)
    )
