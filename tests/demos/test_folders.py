"""Folders of a killed server are removed, and nothing else; a signal ends a server even when a thread hangs."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import WAIT_S, until

from rtseg.demos.gradio_app.folders import ServerFolder, remove_abandoned

pytestmark = pytest.mark.attack

PREFIX = "rtseg-demo-server-"
SERVER = """
import sys, threading
from rtseg.demos.gradio_app import server, shutdown, visitors
from rtseg.demos.gradio_app.sources import SourceMenu
hang = sys.argv[1]
if hang == "fifo":
    visitors.LivePlayer.close = lambda self: open(sys.argv[2]).read()
    server.VisitorRoutes.figures = lambda self, token: open(sys.argv[2]).read()
if hang == "native":
    import ctypes
    server.VisitorRoutes.figures = lambda self, token: ctypes.PyDLL(None).sleep(60)  # keeps the interpreter's lock
listener = server.open_listener("127.0.0.1", 0)
from rtseg.cli.app import main, app
from rtseg.cli.commands import COMMANDS, CommandEntry
COMMANDS["x"] = CommandEntry("__main__", "Serve.")
@app.command("x")
def x():
    print(listener.getsockname()[1], flush=True)
    server.serve(listener, SourceMenu(), (), 4)
sys.argv = ["rtseg", "x"]
main()
"""


def abandoned(parent, name="x", lock=True):
    folder = parent / f"{PREFIX}{name}"
    (folder / "visitor-a").mkdir(parents=True)
    folder.chmod(0o700)
    (folder / "visitor-a" / "upload.mp4").write_bytes(b"patient")
    if lock:
        (folder / ".lock").touch(0o600)
    return folder


def test_what_a_killed_server_left_is_removed_and_a_running_ones_stays(tmp_path):
    left, running = abandoned(tmp_path), ServerFolder(tmp_path)
    assert not left.exists()
    visitor = running.new()
    assert (running.path.stat().st_mode & 0o777, visitor.stat().st_mode & 0o777) == (0o700, 0o700)
    another = ServerFolder(tmp_path)
    assert visitor.exists()
    another.close()
    running.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", ["without a lock", "open to others", "a link", "a linked lock", "a fifo for a lock", "a file"])
def test_what_is_not_surely_ours_is_left_alone(tmp_path, make):
    parent, mine = tmp_path / "tmp", tmp_path / "mine"
    parent.mkdir()
    if make == "a file":
        kept = parent / f"{PREFIX}x"
        kept.write_bytes(b"patient")
    elif make == "a link":
        kept = abandoned(mine)
        (parent / f"{PREFIX}x").symlink_to(kept)
    else:
        kept = abandoned(parent, lock=make == "open to others")
    if make == "open to others":
        kept.chmod(0o777)
    if make == "a linked lock":
        (tmp_path / "other").touch(0o600)
        (kept / ".lock").symlink_to(tmp_path / "other")
    if make == "a fifo for a lock":
        os.mkfifo(kept / ".lock", 0o600)
    remove_abandoned(parent)
    assert kept.exists()


HANGS = [
    ("nothing", signal.SIGINT),
    ("nothing", signal.SIGTERM),
    ("fifo", signal.SIGTERM),
    ("native", signal.SIGINT),
    ("native", signal.SIGTERM),
    ("reader", signal.SIGINT),
]  # each starts a server, which takes seconds: both signals where nothing hangs, and where only a kill helps


@pytest.mark.parametrize(("hang", "how"), HANGS)
def test_a_signal_ends_the_server_whatever_hangs(tmp_path, how, hang):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, hang, str(fifo)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = int(process.stdout.readline())
        with asking(port, "rtseg/live.js") as first:
            assert first.recv(100)
        connections = [asking(port, "live/x/figures") for _ in range(2)] if hang in ("fifo", "native") else []
        connections += [asking(port, "gradio_api/heartbeat/x")] if hang == "reader" else []
        time.sleep(1)  # until the requests hang, which cannot be observed from outside
        began = time.monotonic()
        process.send_signal(how)
        assert process.wait(WAIT_S) in (130, -signal.SIGKILL)
        assert time.monotonic() - began < 6  # five seconds, and one for a loaded machine
        for connection in connections:
            connection.close()
        until(lambda: not list(Path(tmp_path).glob(f"{PREFIX}*")))
    finally:
        process.kill()
        process.communicate()


def asking(port, path):
    connection = socket.create_connection(("127.0.0.1", port), WAIT_S)
    connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection
