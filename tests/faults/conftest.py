"""What the tests of H.264 over RTSP share: patience, somebody who watches, and FFmpeg's decoder on all cores or on one."""

import os
from dataclasses import replace

import pytest
from faults.scene import Viewer
from faults.stepped import StepCamera

from rtseg.sources import open_source
from rtseg.sources.live import network_stream
from rtseg.sources.live.reconnect import LinkLimits


@pytest.fixture
def _patient(monkeypatch):
    """However slow this machine is, no connection is given up."""
    patient = replace(network_stream.PROTOCOLS["rtsp"], read_s=60, open_s=60, limits=LinkLimits(60, stalled_s=60, lost_s=120))
    monkeypatch.setattr(network_stream, "PROTOCOLS", {"rtsp": patient})


@pytest.fixture
def watch():
    """watch(server's class) -> a camera, its server, and one who watches what is sent from now on."""
    open_things = []

    def begin(kind):
        camera = StepCamera()
        server = kind(camera)
        open_things.append(server)
        camera.shoot(30)
        viewer = Viewer(open_source(server.url), camera)
        open_things.append(viewer)
        return camera, server, viewer

    yield begin
    for one in reversed(open_things):
        one.close()


@pytest.fixture(params=["all cores", "one core"])
def _cores(request):
    """FFmpeg's decoder is another one where it has one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if request.param == "all cores" else {min(before)})
    yield
    os.sched_setaffinity(0, before)
