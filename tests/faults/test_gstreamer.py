"""Tests against GStreamer's RTSP server, if installed: over TCP and UDP, with a kill and a restart of the server."""

import subprocess
import threading
from pathlib import Path

import pytest
from faults.scene import free_port
from sources.links import wait_until

from rtseg.connection import LinkState
from rtseg.sources import open_source

PYTHON, SERVER = "/usr/bin/python3", Path(__file__).parent / "gst_server.py"
_ASKED = "import gi; gi.require_version('GstRtspServer', '1.0')"


@pytest.fixture(scope="module", autouse=True)
def _there_is_one():
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", _ASKED], capture_output=True, check=False).returncode:
        pytest.skip("no RTSP server of GStreamer's here: apt install gir1.2-gst-rtsp-server-1.0 python3-gi")


def started(port):
    process = subprocess.Popen([PYTHON, str(SERVER), str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_it_is_played_and_found_again(transport):
    port = free_port()
    server, indices = started(port), []
    try:
        source = open_source(f"rtsp://127.0.0.1:{port}/live#rtsp_transport={transport}")
        reader = threading.Thread(target=lambda: indices.extend(frame.index for frame in source))
        reader.start()
        assert (source.info.height, source.info.width) == (144, 256)
        wait_until(lambda: len(list(source.events)) > 1)
        server.kill()
        server.wait()
        wait_until(lambda: source.counts[LinkState.LOST])
        server = started(port)
        wait_until(lambda: source.state is LinkState.LIVE)
        source.close()
        reader.join(60)
    finally:
        server.kill()
        server.wait()
    assert not reader.is_alive()
    assert indices == sorted(set(indices))
