"""Test that results wait for their coding in order, without a loss, and that a live stream never waits for them."""

import errno
import threading
from contextlib import suppress
from threading import Event, Thread

import numpy as np
import pytest
import results
from dicom_streams import picture, planes_of, shown, two_classes, written
from pydicom import dcmread

from rtseg.errors import SinkError
from rtseg.sinks.dicom import DicomFiles, DicomSink
from rtseg.sinks.dicom.frame_backlog import FrameBacklog
from rtseg.sinks.dicom.stream_spool import StreamSpool
from rtseg.sinks.dicom.unnamed_file import UnnamedFile

MANY = 40


def test_a_live_stream_spills_to_disk_and_loses_nothing(tmp_path):
    backlog = FrameBacklog(tmp_path, is_live=True)
    for round_ in range(2):
        frames = [shown(i, planes=planes_of(i), image=picture(i, is_color=i % 2 == 0)) for i in range(MANY)]
        for one in frames:
            backlog.put(one)  # nobody takes any
        assert backlog.spilled == (round_ + 1) * (MANY - 8)
        for one in frames:
            found = backlog.get()
            np.testing.assert_array_equal(found.frame.image, one.frame.image)
            np.testing.assert_array_equal(found.segmentation.labels, one.segmentation.labels)
            assert found.frame.index == one.frame.index
            assert found.segmentation.planes is one.segmentation.planes
    backlog.finish()
    assert backlog.get() is None
    backlog.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_waits_until_there_is_room(tmp_path):
    backlog, done = FrameBacklog(tmp_path, is_live=False), Event()

    def fill():
        for i in range(10):
            backlog.put(shown(i))
        done.set()

    thread = Thread(target=fill)
    thread.start()
    assert not done.wait(0.2)
    taken = [backlog.get().frame.index for _ in range(10)]
    thread.join()
    assert taken == list(range(10))
    assert backlog.spilled == 0
    backlog.close()


@pytest.mark.parametrize("live", [False, True])
def test_a_slow_coder_delays_no_live_stream_and_loses_no_frame(tmp_path, monkeypatch, live):
    go, add = Event(), StreamSpool.add

    def slow(self, result):
        go.wait(60)
        return add(self, result)

    monkeypatch.setattr(StreamSpool, "add", slow)
    if live:
        sink = DicomSink(DicomFiles(tmp_path / "us.dcm", tmp_path / "seg.dcm"))
        sink.open(results.stream(live=True))
        for i in range(MANY):
            sink.write(shown(i))  # would block here for ever
        go.set()
        sink.close()
        recording, masks = dcmread(tmp_path / "us.dcm"), dcmread(tmp_path / "seg.dcm")
    else:
        go.set()
        recording, masks = written(tmp_path, *map(shown, range(MANY)))
    np.testing.assert_array_equal(recording.pixel_array, [picture(i) for i in range(MANY)])
    np.testing.assert_array_equal(masks.pixel_array, [two_classes(i) for i in range(MANY)])
    assert not [thread for thread in threading.enumerate() if thread.name == "rtseg-dicom"]


def test_on_a_full_disk_the_frames_before_are_written(tmp_path, monkeypatch):
    written_bytes, append = [0], UnnamedFile.append

    def full(self, *pieces):
        written_bytes[0] += sum(memoryview(piece).nbytes for piece in pieces)
        if written_bytes[0] > 40_000:
            append(self, pieces[0])  # a part of it
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, *pieces)

    monkeypatch.setattr("rtseg.sinks.dicom.unnamed_file.UnnamedFile.append", full)
    with pytest.raises(SinkError, match=r"cannot be kept in .* \(No space left on device\): make room"):
        written(tmp_path, *map(shown, range(MANY)))
    sink = DicomSink(DicomFiles(tmp_path / "us.dcm", tmp_path / "seg.dcm"))
    written_bytes[0] = 0
    sink.open(results.stream())
    with suppress(SinkError):  # of the frames after it
        for i in range(MANY):
            sink.write(shown(i))
    with suppress(SinkError):
        sink.close()
    recording, masks = dcmread(tmp_path / "us.dcm"), dcmread(tmp_path / "seg.dcm")
    frames = recording.NumberOfFrames
    assert 5 < frames == masks.NumberOfFrames < MANY
    np.testing.assert_array_equal(recording.pixel_array, [picture(i) for i in range(frames)])
    np.testing.assert_array_equal(masks.pixel_array, [two_classes(i) for i in range(frames)])
