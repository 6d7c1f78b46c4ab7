"""Creates DICOM files for tests."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, UltrasoundMultiFrameImageStorage, generate_uid

from rtseg.sources import open_source

NAME = "DOE^JANE"
FRAMES = np.random.default_rng(8).integers(0, 256, (4, 12, 20), np.uint8)


def multiframe(frames, *, syntax=ExplicitVRLittleEndian, coded=None, photometric=None, bits=None, **elements):
    """Return a multi-frame ultrasound data set of frames (N, H, W[, 3]).

    coded: the frames' bytes, where they are compressed.
    """
    made = Dataset()
    made.PatientName, made.PatientID, made.Modality = NAME, "4711", "US"
    made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID = UltrasoundMultiFrameImageStorage, generate_uid(), "1.2.3"
    made.NumberOfFrames, made.Rows, made.Columns = frames.shape[:3]
    made.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    made.PhotometricInterpretation = photometric or ("RGB" if frames.ndim == 4 else "MONOCHROME2")
    made.BitsAllocated = 8 * frames.dtype.itemsize
    made.BitsStored = bits or made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(frames.dtype.kind == "i")
    if made.SamplesPerPixel == 3:
        made.PlanarConfiguration = 0
    for name, value in elements.items():
        setattr(made, name, value)
    made.PixelData = encapsulate(coded) if coded else frames.tobytes() + b"\0" * (frames.nbytes % 2)
    made["PixelData"].VR = "OB" if made.BitsAllocated == 8 else "OW"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    return made


def region(kind=1, form=1, delta_cm=(0.01, 0.02), box=(0, 0, 100, 100), units=3):
    """Return an ultrasound region.

    kind: 1 tissue, 2 color, 3 PW. form: 1 a plane, 2 M-mode, 3 a spectrum. delta_cm: pixel size (along, down) in cm.
    """
    made = Dataset()
    made.RegionDataType, made.RegionSpatialFormat = kind, form
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = units
    made.PhysicalDeltaX, made.PhysicalDeltaY = delta_cm
    made.RegionLocationMinX0, made.RegionLocationMinY0, made.RegionLocationMaxX1, made.RegionLocationMaxY1 = box
    return made


def save(dataset, path):
    """Write a data set to a file; return the path as text."""
    dataset.save_as(path, enforce_file_format=True)
    return str(path)


def rle(frames):
    """Return frames (N, H, W) uint8 in RLE Lossless: a header of one segment, and literal runs."""
    coded = []
    for frame in frames:
        data = frame.tobytes()
        runs = b"".join(bytes([len(data[i : i + 128]) - 1]) + data[i : i + 128] for i in range(0, len(data), 128))
        runs += b"\0" * (len(runs) % 2)
        coded.append(np.array([1, 64] + [0] * 14, "<u4").tobytes() + runs)
    return {"syntax": RLELossless, "coded": coded}


def images(path):
    """Return all images of a file."""
    return [frame.image for frame in open_source(path)]
