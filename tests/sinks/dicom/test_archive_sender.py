"""Test that objects reach an archive, and that none is lost where it refuses, is silent, dies, or the disk is full."""

import errno
import socket
import stat
import threading
import time
from contextlib import contextmanager, suppress
from threading import Event

import numpy as np
import pydicom
import pynetdicom
import pytest
import results
from dicom_streams import shown
from pynetdicom import evt
from waiting import until

from rtseg.errors import ConfigError
from rtseg.sinks.dicom import DicomFiles, DicomSink, SegmentationType
from rtseg.sinks.dicom.archive_address import ArchiveAddress, parse_archive
from rtseg.sinks.dicom.archive_sender import ArchiveSender
from rtseg.sinks.dicom.send_spool import SendSpool

KINDS = ["1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.88.33"]
SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"]
pytestmark = pytest.mark.filterwarnings(  # pynetdicom leaves the socket of a failed connection to the garbage collection
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
IN_LITTLE_TIME = {"wait_s": 1.5, "silence_s": 0.5}


@contextmanager
def archive(store=lambda event: 0, *, kinds=KINDS, titles=(), title="PACS"):
    """Run an archive; yield its address and what it has taken. store: returns the status of each object."""
    taken = {}

    def handle(event):
        status = store(event)
        if not status or status == 0xB000:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            taken[str(dataset.SOPInstanceUID)] = dataset
        return status

    entity = pynetdicom.AE(title)
    entity.require_calling_aet = list(titles)
    for kind in kinds:
        entity.add_supported_context(kind, SYNTAXES)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, handle)])
    try:
        yield ArchiveAddress(title, "127.0.0.1", server.server_address[1]), taken
    finally:
        server.shutdown()
        entity.shutdown()


@contextmanager
def deaf_peer(*, accepts=True):
    """Listen, and answer nothing; without `accepts`, hang up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        done, connections = Event(), []

        def serve():
            while not done.is_set():
                with suppress(TimeoutError):
                    made, _ = server.accept()
                    if accepts:
                        connections.append(made)
                    else:
                        made.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield ArchiveAddress("PACS", "127.0.0.1", server.getsockname()[1])
        finally:
            done.set()
            thread.join()
            for made in connections:
                made.close()


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return ArchiveAddress("PACS", "127.0.0.1", server.getsockname()[1])


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before)


def send(folder, where, **options):
    """Write a recording, a segmentation and a report, and send them; return the sender."""
    sender = ArchiveSender(where, folder / "spool", **{"wait_s": 30, "silence_s": 10, **options})
    files = DicomFiles(folder / "us.dcm", folder / "seg.dcm", folder / "sr.dcm")
    sink = DicomSink(files, model="carotid", model_digest="ab" * 32, sender=sender)
    sink.open(results.stream())
    for index in range(3):
        sink.write(shown(index))
    sink.close()
    return sender


def waiting_in(folder):
    return sorted((folder / "spool").glob("*/*.dcm"))


def test_an_archive_gets_the_same_objects(tmp_path):
    with archive() as (where, taken):
        assert send(tmp_path, where).sent == 3
    assert waiting_in(tmp_path) == []
    for name in ("us.dcm", "seg.dcm", "sr.dcm"):
        written = pydicom.dcmread(tmp_path / name)
        got = taken[written.SOPInstanceUID]
        assert got == written
        assert got.file_meta.TransferSyntaxUID == written.file_meta.TransferSyntaxUID
    masks = pydicom.dcmread(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(taken[masks.SOPInstanceUID].pixel_array, masks.pixel_array)


def test_what_an_archive_did_not_take_is_sent_by_a_later_run(tmp_path, caplog):
    nobody = closed_port()
    assert send(tmp_path, nobody).sent == 0
    assert "3 DICOM objects wait for PACS@127.0.0.1" in caplog.text
    assert "the next run with --dicom-send sends them" in caplog.text
    assert len(waiting_in(tmp_path)) == 3
    for path in waiting_in(tmp_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for name in ("us.dcm", "seg.dcm", "sr.dcm"):
        (tmp_path / name).unlink()  # the spool has them
    with archive() as (where, taken):
        folder = tmp_path / "spool" / nobody.folder_name
        folder.rename(folder.with_name(where.folder_name))  # the archive is back, on another port
        sender = ArchiveSender(where, tmp_path / "spool")
        sender.open()
        until(lambda: sender.sent == 3)  # while the stream runs
        sender.close()
    assert len(taken) == 3
    assert waiting_in(tmp_path) == []


def test_an_archive_without_room_keeps_nothing_and_loses_nothing(tmp_path, caplog):
    with archive(lambda event: 0xA700) as (where, taken):
        assert send(tmp_path, where).sent == 0
    assert "refuses it: it has no room" in caplog.text
    assert len(waiting_in(tmp_path)) == 3
    assert taken == {}


def test_a_warning_of_the_archive_is_told(tmp_path, caplog):
    with archive(lambda event: 0xB000) as (where, taken):
        assert send(tmp_path, where).sent == len(taken) == 3
    assert "with the warning 0xB000" in caplog.text


def test_an_archive_that_does_not_know_the_program_or_the_object(tmp_path, caplog):
    with archive(titles=["SOMEBODY"]) as (where, _):
        assert send(tmp_path, where).sent == 0
    assert "refuses the program 'RTSEG'" in caplog.text
    assert "--dicom-aet" in caplog.text
    (tmp_path / "b").mkdir()
    with archive(kinds=KINDS[:1]) as (where, taken):
        assert send(tmp_path / "b", where).sent == len(taken) == 1
    assert "takes no" in caplog.text
    assert len(waiting_in(tmp_path / "b")) == 2


def test_an_archive_that_dies_in_mid_send(tmp_path, caplog):
    seen = []

    def die(event):
        seen.append(event)
        if len(seen) == 2:
            event.assoc.abort()
        return 0

    with archive(die) as (where, _):
        sender = send(tmp_path, where, silence_s=2)
        assert sender.sent >= 1
    assert len(waiting_in(tmp_path)) == 3 - sender.sent
    if sender.sent < 3:
        assert "has ended the connection" in caplog.text


def test_a_slow_archive_does_not_keep_the_program(tmp_path, caplog):
    go = Event()

    def slow(event):
        go.wait(20)
        return 0

    began = time.monotonic()
    with archive(slow) as (where, _):
        sender = send(tmp_path, where, wait_s=1.5, silence_s=30)
        assert time.monotonic() - began < 15  # of the 60 s and more that three objects would take
        assert sender.sent == 0
        go.set()
    assert "has not taken all within 1.5 s" in caplog.text
    assert len(waiting_in(tmp_path)) == 3


@pytest.mark.parametrize("accepts", [True, False])
def test_a_peer_that_is_no_archive(tmp_path, caplog, accepts):
    with deaf_peer(accepts=accepts) as where:
        assert send(tmp_path, where, **IN_LITTLE_TIME).sent == 0
    assert "does not answer" in caplog.text
    assert len(waiting_in(tmp_path)) == 3


def test_a_full_disk_is_told_and_the_files_stay(tmp_path, monkeypatch, caplog):
    def full(self, path, name):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SendSpool, "add", full)
    with archive() as (where, taken):
        assert send(tmp_path, where).sent == 0
    assert "cannot be kept for PACS" in caplog.text
    assert "(No space left on device): make room, and send the file yourself" in caplog.text
    assert pydicom.dcmread(tmp_path / "us.dcm").NumberOfFrames == 3
    assert taken == {}


def test_a_disk_without_second_names_gets_a_copy(tmp_path, monkeypatch):
    def refuse(*names):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("rtseg.sinks.dicom.send_spool.os.link", refuse)
    send(tmp_path, closed_port())
    assert {path.read_bytes() for path in waiting_in(tmp_path)} == {
        (tmp_path / name).read_bytes() for name in ("us.dcm", "seg.dcm", "sr.dcm")
    }


def test_a_file_that_is_no_dicom_waits_and_holds_nothing_up(tmp_path, caplog):
    with archive() as (where, taken):
        folder = tmp_path / "spool" / where.folder_name
        folder.mkdir(parents=True)
        (folder / "1.dcm").write_bytes(b"no DICOM")
        assert send(tmp_path, where).sent == len(taken) == 3
    assert "1 DICOM objects wait" in caplog.text


def test_bits_are_sent_too(tmp_path):
    with archive(kinds=["1.2.840.10008.5.1.4.1.1.66.4"]) as (where, taken):
        sender = ArchiveSender(where, tmp_path / "spool")
        sink = DicomSink(DicomFiles(None, tmp_path / "seg.dcm"), kind=SegmentationType.BINARY, sender=sender)
        sink.open(results.stream())
        sink.write(shown(0))
        sink.close()
    assert len(taken) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PACS@archive.local:104", ArchiveAddress("PACS", "archive.local", 104)),
        ("MY PACS@10.0.0.1:11112", ArchiveAddress("MY PACS", "10.0.0.1", 11112)),
        ("PACS@[::1]:104", ArchiveAddress("PACS", "::1", 104)),
    ],
)
def test_addresses(text, expected):
    assert parse_archive(text) == expected


@pytest.mark.parametrize(
    "text", ["", "PACS", "PACS@host", "@host:104", "PACS@host:0", "PACS@host:70000", "A" * 17 + "@h:1", "a\\b@h:1"]
)
def test_what_is_no_address(text):
    with pytest.raises(ConfigError, match="give"):
        parse_archive(text)
