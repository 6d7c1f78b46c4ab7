"""Tests that the whole transform of gray values is applied: modality, values of interest, presentation, palettes."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from sources.damage import drain, opened
from sources.dicoms import images, multiframe, save
from sources.ultrasound import GRAY, farthest

from rtseg.sources.files.dicom import open_dicom

WIDE = GRAY.astype("<u2") << 4
INVERTED = 255 - GRAY


def table(entries, first=0, bits=8, kind="US"):
    """Return the item of a lookup table."""
    made = Dataset()
    made.LUTDescriptor = [len(entries) % 65536, first, bits]
    made.add_new(0x00283006, kind, list(entries) if kind == "US" else np.asarray(entries, "<u2").tobytes())
    return made


RISING, FALLING = range(256), range(255, -1, -1)
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
SHOWN = [
    (GRAY, {"RescaleSlope": -1, "RescaleIntercept": 255}, INVERTED),
    (GRAY, {"RescaleSlope": -1, "RescaleIntercept": 0}, INVERTED),
    (GRAY, {"RescaleSlope": 1, "RescaleIntercept": -1024}, GRAY),
    (GRAY, {"RescaleSlope": -1, "RescaleIntercept": 255, "WindowCenter": 128, "WindowWidth": 256}, INVERTED),
    (WIDE, {"RescaleSlope": -1, "RescaleIntercept": 4095}, INVERTED),
    (WIDE, {"RescaleSlope": -1, "RescaleIntercept": 4095, **WINDOW}, INVERTED),
    (GRAY, {"photometric": "MONOCHROME1"}, INVERTED),
    (GRAY, {"PresentationLUTShape": "INVERSE"}, INVERTED),
    (GRAY, {"photometric": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, INVERTED),
    (GRAY, {"PresentationLUTShape": "IDENTITY"}, GRAY),
    (GRAY, {"photometric": "MONOCHROME1", "RescaleSlope": -1, "RescaleIntercept": 255}, GRAY),
    (GRAY, {"ModalityLUTSequence": [table(FALLING)]}, INVERTED),
    (GRAY, {"VOILUTSequence": [table(FALLING)]}, INVERTED),
    (GRAY, {"VOILUTSequence": [table(FALLING, kind="OW")]}, INVERTED),
    (GRAY, {"VOILUTSequence": [table(FALLING), table(RISING)]}, INVERTED),
    (GRAY, {"VOILUTSequence": [table(FALLING)], "WindowCenter": 128, "WindowWidth": 256}, INVERTED),
    (GRAY, {"VOILUTSequence": [table([16 * (255 - one) for one in range(256)], bits=12)]}, INVERTED),
    (GRAY, {"VOILUTSequence": [table([16 * (255 - one) for one in range(256)], bits=16)]}, INVERTED),
    (GRAY, {"VOILUTSequence": [table(FALLING, bits=16)]}, INVERTED),
    (GRAY, {"ModalityLUTSequence": [table(FALLING)], "VOILUTSequence": [table(FALLING)]}, GRAY),
    (WIDE, {"VOILUTSequence": [table([255 - (one >> 4) for one in range(4096)])]}, INVERTED),
    (WIDE, {"VOILUTSequence": [table(FALLING, first=1000)]}, 255 - np.clip(WIDE.astype(int) - 1000, 0, 255)),
    (GRAY, {"WindowCenter": 128, "WindowWidth": 64, "VOILUTFunction": "SIGMOID"}, 255 / (1 + np.exp((128.0 - GRAY) / 16))),
    (GRAY, {"WindowCenter": 60.5, "WindowWidth": 21}, np.clip((GRAY.astype(float) - 50) / 20, 0, 1) * 255),
    (GRAY, {"VOILUTSequence": [Dataset()]}, GRAY),
    (WIDE, {}, GRAY),
]


@pytest.mark.parametrize(("frames", "elements", "shown"), SHOWN, ids=range(len(SHOWN)))
def test_gray_values_go_through_the_whole_chain(tmp_path, frames, elements, shown):
    made = multiframe(frames, bits=12 if frames.dtype.itemsize == 2 else 8, **elements)
    assert farthest(images(save(made, tmp_path / "a.dcm")), shown) <= 1


def test_frames_have_windows_of_their_own(tmp_path):
    groups = []
    for center in (64, 192, 64, 192):
        values, group = Dataset(), Dataset()
        values.WindowCenter, values.WindowWidth = center + 0.5, 129
        group.FrameVOILUTSequence = [values]
        groups.append(group)
    made = multiframe(GRAY, PerFrameFunctionalGroupsSequence=groups)
    shown = [np.clip((GRAY[i].astype(float) - (0, 128)[i % 2]) / 128, 0, 1) * 255 for i in range(4)]
    assert farthest(images(save(made, tmp_path / "a.dcm")), shown) <= 1


COLORS = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 7)], axis=1)
EXPECTED = COLORS[GRAY].astype(np.uint8)
NAMES = ("Red", "Green", "Blue")


def palette(tables, descriptor, *, is_segmented=False):
    """Return the elements of a palette. tables: the bytes of each color."""
    kind = "Segmented" if is_segmented else ""
    elements = {f"{name}PaletteColorLookupTableDescriptor": descriptor for name in NAMES}
    return elements | {
        f"{kind}{name}PaletteColorLookupTableData": data + b"\0" * (len(data) % 2)
        for name, data in zip(NAMES, tables, strict=True)
    }


def words(values):
    return np.asarray(values, "<u2").tobytes()


SEGMENTED = [
    [0, 1, 0, 1, 255, 65280],  # rising: a discrete entry, then a line
    [0, 2, 65280, 65024, 1, 254, 0],
    [0, 1, 1792, 1, 255, 1792],
]
INDIRECT = [
    [0, 1, 0, 1, 127, 32512, 1, 128, 65280],
    [0, 1, 65280, 1, 127, 32768, 1, 128, 0],
    [0, 1, 1792, 1, 15, 1792, *[2, 1, 6, 0] * 16],  # the line again and again
]
BYTES = [bytes([0, 1, 0, 1, 255, 255]), bytes([0, 1, 255, 1, 255, 0]), bytes([0, 1, 7, 1, 255, 7])]
PALETTES = {
    "16 bits": palette([words(one * 256) for one in COLORS.T], [256, 0, 16]),
    "8 bits": palette([bytes(one.tolist()) for one in COLORS.T], [256, 0, 8]),
    "8 bits in words": palette([words(one) for one in COLORS.T], [256, 0, 8]),
    "8 bits that are called 16": palette([words(one) for one in COLORS.T], [256, 0, 16]),
    "segments": palette([words(one) for one in SEGMENTED], [256, 0, 16], is_segmented=True),
    "repeated segments": palette([words(one) for one in INDIRECT], [256, 0, 16], is_segmented=True),
    "segments of 8 bits": palette(BYTES, [256, 0, 8], is_segmented=True),
}


@pytest.mark.parametrize("name", PALETTES)
def test_palettes_of_every_form(tmp_path, name):
    made = multiframe(GRAY, photometric="PALETTE COLOR", **PALETTES[name])
    assert farthest(images(save(made, tmp_path / "a.dcm")), EXPECTED) <= 1


def test_a_palette_that_begins_later(tmp_path):
    elements = palette([words(one[40:200] * 256) for one in COLORS.T], [160, 40, 16])
    made = multiframe(GRAY, photometric="PALETTE COLOR", **elements)
    shown = COLORS[np.clip(GRAY, 40, 199)]
    assert farthest(images(save(made, tmp_path / "a.dcm")), shown) <= 1


@pytest.mark.attack
@pytest.mark.parametrize(
    "data",
    [
        words([2, 65535, 4, 0] * 20_000),  # indirect segments of indirect ones
        words([0, 1, 5, 1, 65535, 9, *[2, 65535, 6, 0] * 20_000]),  # 65535 times 65535 entries
        words([0, 0] * 1000 + [2, 65535, 0, 0] * 20_000),
        words([1, 5, 5]),
        words([0]),
        words([9, 9, 9]),
    ],
    ids=range(6),
)
def test_segments_that_would_never_end(tmp_path, data):
    made = multiframe(GRAY, photometric="PALETTE COLOR", **palette([data] * 3, [256, 0, 16], is_segmented=True))
    read, told = drain(opened(open_dicom, save(made, tmp_path / "a.dcm")))
    assert told or len(read) == 4
