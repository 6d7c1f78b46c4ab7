"""Test the masks of DICOM segmentations of each type, and what their frames refer to."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from dicom_streams import ODD, SHAPE, instance, picture, planes_of, shown, two_classes, written

from rtseg.errors import SinkError
from rtseg.kernels import argmax_labels
from rtseg.kernels.network.fit import Fit
from rtseg.probability_planes import ProbabilityPlanes
from rtseg.session.uncertainty import class_planes
from rtseg.sinks.dicom import SegmentationType
from rtseg.sinks.dicom.bit_spool import BitSpool
from rtseg.sinks.dicom.probability_map import probability_map

BINARY, FRACTIONAL = SegmentationType.BINARY, SegmentationType.FRACTIONAL


def segments_of(masks):
    return [
        groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber for groups in masks.PerFrameFunctionalGroupsSequence
    ]


def sources_of(masks):
    items = [groups.DerivationImageSequence[0].SourceImageSequence[0] for groups in masks.PerFrameFunctionalGroupsSequence]
    return [(item.ReferencedSOPInstanceUID, item.get("ReferencedFrameNumber")) for item in items]


@pytest.mark.parametrize("shape", [SHAPE, ODD])
def test_binary_has_a_frame_for_each_class_in_a_picture(tmp_path, shape):
    labels = [two_classes(i, shape) for i in range(4)]
    recording, masks = written(tmp_path, *(shown(i, one) for i, one in enumerate(labels)), kind=BINARY)
    assert (masks.SegmentationType, masks.BitsAllocated, masks.SegmentsOverlap) == ("BINARY", 1, "NO")
    assert segments_of(masks) == [1, 1, 2, 1, 1, 2]
    assert [number for _, number in sources_of(masks)] == [1, 2, 2, 3, 4, 4]
    assert {uid for uid, _ in sources_of(masks)} == {recording.SOPInstanceUID}
    expected = [labels[0] == 1, labels[1] == 1, labels[1] == 2, labels[2] == 1, labels[3] == 1, labels[3] == 2]
    np.testing.assert_array_equal(masks.pixel_array, expected)
    dimensions = [
        list(groups.FrameContentSequence[0].DimensionIndexValues) for groups in masks.PerFrameFunctionalGroupsSequence
    ]
    assert dimensions == [[1, 1], [1, 2], [2, 2], [1, 3], [1, 4], [2, 4]]


@pytest.mark.parametrize("kind", [BINARY, FRACTIONAL])
def test_a_stream_without_a_mask_gives_one_empty_frame(tmp_path, kind):
    _, masks = written(tmp_path, shown(0, np.zeros(SHAPE, np.uint8)), kind=kind)
    assert masks.NumberOfFrames == 1
    assert not masks.pixel_array.any()


@pytest.mark.parametrize("shape", [SHAPE, ODD])
def test_bits_that_pass_4_gib_are_encapsulated(tmp_path, shape):
    masks = [two_classes(i, shape) > 0 for i in range(3)]
    spool = BitSpool(tmp_path, most_native=800)
    for mask in masks:
        spool.add(mask)
    assert spool.syntax == "1.2.840.10008.1.2.1.98"
    data = b"".join(spool.pixel_data())
    spool.close()
    assert data.startswith(b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0")
    fragments, at = [], 20
    while data[at : at + 4] == b"\xfe\xff\x00\xe0":
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        fragments.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    assert data[at:] == b"\xfe\xff\xdd\xe0\0\0\0\0"
    for mask, fragment in zip(masks, fragments, strict=True):
        bits = np.unpackbits(np.frombuffer(fragment, np.uint8), bitorder="little")[: mask.size]
        np.testing.assert_array_equal(bits.reshape(shape), mask)


def test_fractional_holds_probabilities_in_the_box_that_the_network_saw(tmp_path):
    planes = [planes_of(i, box=(4, 8, 40, 48)) for i in range(3)]
    recording, masks = written(tmp_path, *(shown(i, planes=one) for i, one in enumerate(planes)), kind=FRACTIONAL)
    kinds = masks.SegmentationType, masks.SegmentationFractionalType, masks.MaximumFractionalValue, masks.SegmentsOverlap
    assert kinds == ("FRACTIONAL", "PROBABILITY", 255, "YES")
    assert segments_of(masks) == [1, 2] * 3
    assert sources_of(masks)[2:4] == [(recording.SOPInstanceUID, 2)] * 2
    outside = np.ones(SHAPE, np.bool_)
    outside[4:44, 8:56] = False
    assert not masks.pixel_array[:, outside].any()
    for number, plane in enumerate(planes):
        cells = masks.pixel_array[2 * number : 2 * number + 2, 4:44, 8:56] / 255
        assert abs(cells.mean((1, 2)) - plane.values.mean((1, 2))).max() < 0.06


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_the_greatest_probability_is_that_of_the_label(classes):
    noise = np.random.default_rng(3).normal(size=(1, classes + (classes > 1), 12, 16)).astype(np.float32)
    logits = np.stack([cv2.GaussianBlur(plane, (0, 0), 1.5) * 20 for plane in noise[0]])[None]
    fit = Fit((6, 10, 90, 120), (48, 64), (0, 0, 48, 64))
    labels = argmax_labels(logits, fit, (100, 140))
    shares = probability_map(class_planes(logits, fit), labels.shape).astype(np.int32)
    background = 255 - shares.sum(0)
    winners = np.concatenate([background[None], shares]).argmax(0)
    clear = np.sort(np.concatenate([background[None], shares]), 0)
    is_clear = clear[-1] - clear[-2] > 3  # of 255, so that rounding decides nothing
    assert is_clear.mean() > 0.7
    np.testing.assert_array_equal(winners[is_clear], labels[is_clear])


def test_probabilities_that_are_unknown_are_left_out_and_told(tmp_path, caplog):
    wrong = ProbabilityPlanes(planes_of(0).values[:1], (0, 0, *SHAPE))
    frames = [shown(0, planes=planes_of(0)), shown(1), shown(2, planes=wrong), shown(3, planes=planes_of(3))]
    _, masks = written(tmp_path, *frames, kind=FRACTIONAL)
    assert [number for _, number in sources_of(masks)] == [1, 1, 4, 4]
    assert "the probabilities of 2 frames are unknown" in caplog.text


def test_the_frames_refer_to_the_source_file(tmp_path):
    frames = [shown(i, instance=instance(i + 1)) for i in range(3)]
    frames.append(shown(3, instance=instance(sop="1.2.3.5", frames=1)))
    recording, masks = written(tmp_path, *frames)
    assert sources_of(masks) == [("1.2.3.4", 1), ("1.2.3.4", 2), ("1.2.3.4", 3), ("1.2.3.5", None)]
    assert "ReferencedSeriesSequence" not in masks  # those are another study's
    study = masks.StudiesContainingOtherReferencedInstancesSequence[0]
    referenced = study.ReferencedSeriesSequence[0]
    assert (study.StudyInstanceUID, referenced.SeriesInstanceUID) == ("1.2.3", "1.2.3.9")
    assert [one.ReferencedSOPInstanceUID for one in referenced.ReferencedInstanceSequence] == ["1.2.3.4", "1.2.3.5"]
    assert masks.StudyInstanceUID == recording.StudyInstanceUID


def test_in_the_study_of_the_source_they_are_of_the_same_study(tmp_path):
    patient = {"StudyInstanceUID": "1.2.3", "PatientID": "17"}
    _, masks = written(tmp_path, shown(0, instance=instance()), patient=patient, has_recording=False)
    assert masks.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.9"
    assert "StudiesContainingOtherReferencedInstancesSequence" not in masks


def test_a_source_without_uids_is_told(tmp_path, caplog):
    nameless = replace(instance(), sop_instance="")
    with pytest.raises(SinkError, match=r"states no valid UIDs.*give --dicom-us too"):
        written(tmp_path, shown(0, instance=nameless), has_recording=False)
    recording, masks = written(tmp_path, shown(0, instance=instance()), shown(1, instance=nameless))
    assert sources_of(masks) == [(recording.SOPInstanceUID, 1), (recording.SOPInstanceUID, 2)]
    assert "states no valid UIDs: the objects refer to the redacted recording" in caplog.text


def test_other_masks_of_the_same_pictures_are_another_object(tmp_path):
    def uids(name, *frames, **options):
        (tmp_path / name).mkdir()
        recording, masks = written(tmp_path / name, *frames, **options)
        return recording.SOPInstanceUID, masks.SOPInstanceUID

    first, again = uids("a", shown(0)), uids("b", shown(0))
    others = [uids("c", shown(0, two_classes(1), image=picture(0))), uids("d", shown(0), kind=BINARY)]
    others.append(uids("e", shown(0, instance=instance())))
    assert first == again
    assert {one[0] for one in others} == {first[0]}
    assert len({first[1], *(one[1] for one in others)}) == 4
    assert uids("f", shown(0), patient={"PatientID": "17"})[0] != first[0]
