"""Tests that the sink serves the results of a frame with its time, pose and name."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import results
from igtl import peers
from igtl.peers import MessageReader
from igtl.sent import ORIGIN, joined, port, received, result

from rtseg.errors import ConfigError, SinkError
from rtseg.frame import Origin
from rtseg.igtl.image import LPS, read_image
from rtseg.igtl.text import read_string
from rtseg.igtl.transform import read_transform
from rtseg.overlay import Overlay
from rtseg.sinks.igtl.names import image_device_name, transform_names
from rtseg.sinks.igtl.sink import DEFAULT_PARTS, PARTS, IgtlSink, _timestamp


def test_everything_has_the_frames_time_place_and_name(sink):
    sent = result(spacing_mm=(0.5, 0.25))
    got = received(sink, sent)
    assert list(got) == [
        "MaskToReference",
        "OverlayToReference",
        "ImageToReference",
        "Mask_Reference",
        "Overlay_Reference",
        "Image_Reference",
        "Measurements",
    ]
    assert {message.timestamp_ns for message in got.values()} == {peers.STAMP_NS}
    pictures = {name: read_image(got[f"{name}_Reference"].content) for name in ("Mask", "Overlay", "Image")}
    assert {(picture.matrix, picture.world) for picture in pictures.values()} == {(peers.MATRIX, LPS)}
    assert np.array_equal(pictures["Mask"].pixels, sent.segmentation.labels)
    assert np.array_equal(pictures["Image"].pixels, sent.frame.image)
    assert np.array_equal(pictures["Overlay"].pixels, Overlay().draw(sent))
    assert read_transform(got["MaskToReference"].content) == peers.MATRIX


def test_the_measurements_are_json(sink):
    got = received(sink, result(index=7, spacing_mm=(0.5, 0.25), reason="another depth"))
    told = json.loads(read_string(got["Measurements"].content))
    area_px = int(np.count_nonzero(results.square((48, 64))))
    assert (told["index"], told["life"], told["reason"]) == (7, "LIVE", "another depth")
    assert told["classes"]["lumen"]["area_px"] == area_px
    assert told["classes"]["lumen"]["area_mm2"] == area_px * 0.125


@pytest.mark.parametrize("part", PARTS)
def test_only_what_was_asked_for_is_sent(part):
    sink = IgtlSink(":0", [part])
    sink.open(results.stream())
    names = set(received(sink, result()))
    expected = {
        "mask": {"Mask_Reference"},
        "overlay": {"Overlay_Reference"},
        "image": {"Image_Reference"},
        "measurements": {"Measurements"},
        "transforms": set(),  # the image's own is not sent without the image
    }
    assert names == expected[part]


def test_a_frame_that_knows_nothing_of_itself(sink):
    before_ns = peers.time.time_ns()
    sent = result(origin=None, captured_ns=peers.time.perf_counter_ns(), spacing_mm=(0.5, 0.25))
    got = received(sink, sent)
    assert list(got) == ["Mask", "Overlay", "Image", "Measurements"]
    assert before_ns - 10**9 < got["Mask"].timestamp_ns < peers.time.time_ns() + 10**9
    assert read_image(got["Mask"].content).spacing_mm == (0.5, 0.25)


def test_the_time_of_capture_is_that_of_the_streams_clock(sink, monkeypatch):
    """Test that a wall clock that is set while the stream runs does not move the timestamps."""
    sent = result(origin=None, captured_ns=peers.time.perf_counter_ns())
    before_ns = received(sink, sent)["Mask"].timestamp_ns
    real, hour_ns = peers.time.time_ns, 3600 * 10**9
    monkeypatch.setattr(peers.time, "time_ns", lambda: real() + hour_ns)
    monkeypatch.setattr("rtseg.wall_clock.time_ns", lambda: real() + hour_ns)
    assert _timestamp(sent, sink._clock) == before_ns
    assert _timestamp(replace(sent, wall_ns=123), sink._clock) == 123, "the pipeline's, as in the JSON lines"


def test_another_sources_origin(sink):
    origin = Origin(timestamp_ns=-5, spacing_mm=(2.0, 3.0), transforms={"ProbeToTracker": peers.MATRIX})
    got = received(sink, result(origin=origin))
    assert list(got)[:2] == ["ProbeToTracker", "Mask"]
    assert got["Mask"].timestamp_ns == 0
    assert read_image(got["Mask"].content).spacing_mm == (2.0, 3.0)


def test_a_name_longer_than_a_header_is_in_the_metadata(sink):
    name = "ReconstructedVolumeToReference"
    got = received(sink, result(origin=replace(ORIGIN, transforms={name: peers.MATRIX})))
    assert got[name[:20]].metadata == {"IGTL_DEVICE_NAME": name}
    assert got["Mask_Reference"].metadata == {}


def test_names():
    assert image_device_name("Mask", "Image_Reference") == "Mask_Reference"
    assert image_device_name("Mask", "Image_Image") == "Mask_Image"
    assert image_device_name("Mask", "Video") == image_device_name("Mask", "") == "Mask"
    transforms = {"VideoToProbe": peers.MATRIX, "ProbeToTracker": peers.MATRIX}
    assert [name for name, _ in transform_names(["Mask", "Overlay"], "Video_Probe", transforms)] == [
        "MaskToProbe",
        "OverlayToProbe",
        "ProbeToTracker",
    ]


def test_pyigtls_own_client(sink):
    with peers.pyigtl_client(port(sink)) as client:
        joined(sink)
        sink.write(sent := result())
        mask = client.wait_for_message("Mask_Reference", timeout=peers.PATIENCE_S)
        text = client.wait_for_message("Measurements", timeout=peers.PATIENCE_S)
        place = client.wait_for_message("MaskToReference", timeout=peers.PATIENCE_S)
    assert np.array_equal(mask.image[0], sent.segmentation.labels)
    assert mask.timestamp == pytest.approx(peers.STAMP_NS / 1e9, abs=1e-6)
    assert (mask.ijk_to_world_matrix.tolist(), mask.world_coordinate_system) == ([list(row) for row in peers.MATRIX], "lps")
    assert json.loads(text.string)["index"] == 0
    assert np.array_equal(place.matrix, peers.MATRIX)


def test_nothing_is_made_where_nobody_listens(sink):
    sink.write(sent := result())
    assert not {"igtl", "overlay"} & set(sent.trace.stages_ns)


def test_the_time_it_takes_is_in_the_trace(sink):
    with MessageReader(port(sink)):
        joined(sink)
        sink.write(sent := result())
    assert {"igtl", "overlay"} <= set(sent.trace.stages_ns)


def test_it_can_be_opened_again():
    sink = IgtlSink(":0")
    for _ in range(2):
        sink.open(results.stream())
        assert "Mask_Reference" in received(sink, result())
    sink.close()
    with pytest.raises(SinkError, match="call open"):
        sink.write(result())


def test_a_port_that_is_taken(sink):
    second = IgtlSink(sink.address)
    with pytest.raises(SinkError, match=r"cannot be served on 127.0.0.1:.*choose another port"):
        second.open(results.stream())


def test_it_listens_here_alone_unless_told(sink, caplog):
    assert sink.address.startswith("127.0.0.1:")
    with caplog.at_level(logging.WARNING):
        wide = IgtlSink("igtl://0.0.0.0:0")
        wide.open(results.stream())
        wide.close()
    assert "whoever reaches this machine can see the stream" in caplog.text


@pytest.mark.parametrize("where", ["", "host", "host:", "host:x", ":70000", "igtl://", ":-1"])
def test_a_place_that_is_none(where):
    with pytest.raises(ConfigError, match="is no place to listen at: write HOST:PORT, or :18945"):
        IgtlSink(where)


@pytest.mark.parametrize("parts", [[], ["masks"], ["mask", "film"]])
def test_parts_that_there_are_not(parts):
    with pytest.raises(ConfigError, match="choose of mask, overlay, image, measurements, transforms"):
        IgtlSink(":0", parts)


def test_the_usual_parts_show_no_picture_of_the_patient():
    assert set(DEFAULT_PARTS) == {"mask", "measurements", "transforms"}


def test_a_frame_too_large_for_the_protocol(sink):
    wide = np.zeros((1, 65_536), np.uint8)
    with MessageReader(port(sink)):
        joined(sink)
        with pytest.raises(SinkError, match="at most 65535 pixels a side"):
            sink.write(result(image=wide, labels=wide))
