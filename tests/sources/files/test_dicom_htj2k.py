"""Tests DICOM of high-throughput JPEG 2000: read exactly, and refused where a part is missing."""

import base64

import numpy as np
import pytest
from pydicom.uid import UID
from sources.damage import drain
from sources.dicoms import images, multiframe, save
from sources.ultrasound import farthest

from rtseg.sources import open_source

FRAME = (np.add.outer(np.arange(16), 2 * np.arange(16)) * 4 % 256).astype(np.uint8)
CODED = base64.b64decode(  # FRAME without loss, as OpenJPH 0.26 codes it
    "/0//UQApQAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABBwEB/1AACAACAAAAAv9SAAwAAgABAAUEBEAB/1wAEyBIUFBQUFBQUFBQUFBQ"
    "SEhI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAGQAAf+TwCWPAQd0AADAEsASgJABB3QAyACHdADAE0ATAAjyAIJ0AKL4AANUAMAVEAVA"
    "QgjxqnACdQAQAP7Byey1AMAq4BUgtm3b58Cnp6dCeABWVf3Xv3XstwD/2Q=="
)


@pytest.mark.parametrize("syntax", ["201", "202", "203"])
def test_it_is_read_exactly(tmp_path, syntax):
    frames = np.stack([FRAME] * 3)
    made = multiframe(frames, syntax=UID(f"1.2.840.10008.1.2.4.{syntax}"), coded=[CODED] * 3)
    assert farthest(images(save(made, tmp_path / "a.dcm")), frames) == 0


def test_a_missing_part_is_no_picture(tmp_path):
    torn = CODED[:150] + CODED[180:]
    made = multiframe(np.stack([FRAME] * 2), syntax=UID("1.2.840.10008.1.2.4.201"), coded=[CODED, torn])
    read, error = drain(open_source(save(made, tmp_path / "a.dcm")))
    assert len(read) == 1
    assert "cannot be decoded" in str(error)
