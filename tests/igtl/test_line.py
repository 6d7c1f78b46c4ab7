"""Tests the whole pipeline: pyigtl serves images, rtseg segments them, a client gets masks of the same time and pose."""

import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from itertools import cycle

import numpy as np
import pyigtl
import pytest
from igtl import peers

from rtseg.cli.options.igtl import IgtlOptions, print_missed
from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError
from rtseg.pipeline import Pipeline
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sources import open_source

FIRST_S = 1_700_000_000


def place(index):
    """Return the probe's pose, different for each frame."""
    matrix = np.diag([0.25, 0.5, 1.0, 1.0])
    matrix[:3, 3] = index, -2 * index, 8
    return matrix


@contextmanager
def probe(size=(64, 96)):
    """Serve an endless synthetic probe with pyigtl, 16 frames a second by its own timestamps."""
    source = open_source(f"synthetic:vessel?height={size[0]}&width={size[1]}&frames=40")
    images = [frame.image for frame in source]
    stop = threading.Event()
    with peers.pyigtl_server() as server:

        def serve():
            for index, image in enumerate(cycle(images)):
                stamp = FIRST_S + index / 16
                pose = pyigtl.TransformMessage(place(index), stamp, "ProbeToTracker")
                picture = pyigtl.ImageMessage(image[None], place(index), "ras", stamp, "Image_Reference")
                for message in (pose, picture):
                    server.send_message(message, wait=False)  # with wait=True it would block for ever once the client has gone
                if stop.wait(0.02):
                    return

        sender = threading.Thread(target=serve, name="peer")
        sender.start()
        try:
            yield server.server_address[1]
        finally:
            stop.set()
            sender.join()


def numbered(timestamp_s):
    """Return the index of the frame with this time, which pyigtl's float resolves to 0.2 microseconds."""
    return round((timestamp_s - FIRST_S) * 16)


def masks_of(port, count):
    """Yield the masks that a pyigtl client receives."""
    with peers.pyigtl_client(port) as client:
        for _ in range(count):
            mask = client.wait_for_message("Mask_Reference", timeout=peers.PATIENCE_S)
            assert mask is not None
            yield mask


def check(mask, size=(64, 96)):
    """Check that a mask has the pose and size of the frame that its timestamp identifies."""
    index = numbered(mask.timestamp)
    assert mask.timestamp == pytest.approx(FIRST_S + index / 16, abs=1e-6)
    assert np.array_equal(mask.ijk_to_world_matrix, place(index).astype(np.float32))
    assert mask.world_coordinate_system == "ras"
    assert mask.image.shape == (1, *size)
    assert mask.image.dtype == np.uint8


def test_masks_have_the_time_and_the_place_of_their_frames(tiny):
    with probe() as port:
        sink = IgtlSink(":0")
        source = open_source(f"igtl://127.0.0.1:{port}/Image_Reference?timeout=60")
        engine = load_engine(str(tiny))
        pipeline = Pipeline(source, Session(engine, locator=WholeFrame()), sink)
        got = []
        try:
            results = iter(pipeline)
            next(results)
            client = threading.Thread(target=lambda: got.extend(masks_of(int(sink.address.rpartition(":")[2]), 5)))
            client.start()
            served = {}
            for result in results:
                served[numbered(result.frame.origin.timestamp_ns / 1e9)] = result
                if len(got) == 5:
                    break
            client.join(peers.PATIENCE_S)
        finally:
            results.close()
            engine.close()
    assert len(got) == 5
    for mask in got:
        check(mask)
        result = served[numbered(mask.timestamp)]
        assert np.array_equal(mask.image[0], result.segmentation.labels)
        assert result.frame.origin.transforms.keys() == {"ProbeToTracker"}


def test_the_command_line(tiny):
    with probe() as port, socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
        taken.close()
        source, size = f"igtl://127.0.0.1:{port}/Image_Reference?timeout=60", ["--sector", "off", "--model", str(tiny)]
        command = [
            sys.executable,
            "-m",
            "rtseg.cli",
            "run",
            source,
            *size,
            "--igtl",
            f":{free}",
            "--igtl-send",
            "mask,measurements",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            peers.eventually(lambda: process.poll() is not None or _is_open(free), patience_s=240)
            for mask in masks_of(free, 3):
                check(mask)
        finally:
            process.send_signal(signal.SIGINT)
            said, complained = process.communicate(timeout=peers.PATIENCE_S)
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    assert f"OpenIGTLink at 127.0.0.1:{free}: mask,measurements" in said


def _is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("where", "parts", "message"),
    [
        ("nowhere", "mask", "'nowhere' is no place to listen at: write HOST:PORT"),
        (":0", "film", "OpenIGTLink is not sent film: choose of mask"),
        (":0", " , ", "OpenIGTLink is not sent nothing: choose of mask"),
    ],
)
def test_an_option_that_is_wrong(where, parts, message):
    with pytest.raises(ConfigError, match=message):
        IgtlOptions(where, parts).sinks(opacity=0.4)


def test_what_clients_missed_is_told(capsys):
    (sink,) = IgtlOptions(":0", "mask, overlay").sinks(opacity=0.4)
    print_missed(sink)
    assert "missed" not in capsys.readouterr().out
    sink.dropped = 3
    print_missed(sink)
    assert "OpenIGTLink clients missed 3 frames" in capsys.readouterr().out
    assert IgtlOptions("", "mask").sinks(opacity=0.4) == []
