"""Read the size that a coded DICOM frame declares: JPEG, JPEG-LS and JPEG 2000."""

import struct

from rtseg.sources.pixels.picture_size import picture_size

_CODESTREAM = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, and the marker of its size (ITU-T T.800, A.5.1)
_BOXES = b"\0\0\0\x0cjP  "  # the JP2 file format around a codestream


def coded_size(coded: bytes) -> tuple[int, int] | None:
    """Return the (height, width) that a coded frame declares, in time linear in its bytes; None where it declares none."""
    if coded.startswith(b"\xff\xd8"):
        return picture_size(coded)
    start = coded.find(_CODESTREAM) if coded.startswith(_BOXES) else 0
    if not coded.startswith(_CODESTREAM, start):
        return None
    try:
        right, bottom, left, top = struct.unpack_from(">4I", coded, start + 8)
    except struct.error:
        return None
    return bottom - top, right - left
