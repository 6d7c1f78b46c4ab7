"""Provides fixtures for H.264 over RTSP: long timeouts, a viewer, and FFmpeg's decoder on all cores or on one."""

import os
from dataclasses import replace

import pytest
from faults.scene import Viewer
from faults.stepped import StepCamera

from rtseg.sources import open_source
from rtseg.sources.live import ffmpeg_link, network_stream
from rtseg.sources.live.reconnect import LinkLimits


@pytest.fixture
def _patient(monkeypatch):
    """Set timeouts so long that no connection is closed on a slow machine."""
    patient = replace(network_stream.PROTOCOLS["rtsp"], read_s=60, open_s=60, limits=LinkLimits(60, stalled_s=60, lost_s=120))
    monkeypatch.setattr(network_stream, "PROTOCOLS", {"rtsp": patient})
    monkeypatch.setattr(ffmpeg_link, "_MAX_BEHIND_NS", 60_000_000_000)


@pytest.fixture
def watch():
    """Return watch(server class), which returns a camera, its server, and a viewer of all pictures sent from now on."""
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
    """Run the test on all cores and on one: FFmpeg chooses another decoder threading for one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if request.param == "all cores" else {min(before)})
    yield
    os.sched_setaffinity(0, before)
