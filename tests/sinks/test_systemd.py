"""The systemd watchdog is notified of frames, and only of frames."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import results

from rtseg.errors import SinkError
from rtseg.frame import StreamInfo
from rtseg.sinks import systemd as systemd_module
from rtseg.sinks.systemd import WatchdogSink

INFO = StreamInfo(8, 8, 25.0)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(60)
        yield server


def heard(systemd: socket.socket) -> str:
    return systemd.recv(1000).decode()


def test_a_stream_is_told_from_its_beginning_to_its_end(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setattr(systemd_module, "NOTIFY_INTERVAL_S", 0.0)
    sink = WatchdogSink()
    sink.open(INFO)
    assert heard(systemd) == "READY=1"
    for index in range(2):
        sink.write(results.result(index=index))
        assert heard(systemd).startswith("WATCHDOG=1\nSTATUS=frame ")
    sink.close()
    sink.close()
    assert heard(systemd) == "STOPPING=1"


def test_many_frames_a_second_are_told_once(systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd_module, "NOTIFY_INTERVAL_S", 3600.0)
    sink = WatchdogSink(str(tmp_path / "notify"))
    sink.open(INFO)
    for index in range(5):
        sink.write(results.result(index=index))
    sink.close()
    assert [heard(systemd).partition("\n")[0] for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_only_a_service_of_systemd_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert systemd_module.watchdog_sinks() == []
    monkeypatch.setenv("NOTIFY_SOCKET", "@rtseg")
    (sink,) = systemd_module.watchdog_sinks()
    assert isinstance(sink, WatchdogSink)


def test_no_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    with pytest.raises(SinkError, match="run rtseg as a service with Type=notify"):
        WatchdogSink()
    sink = WatchdogSink(str(tmp_path / "nobody"))
    with pytest.raises(SinkError, match="cannot be told that frames come"):
        sink.open(INFO)
    sink._socket.close()  # type: ignore[union-attr]
