"""Tests of `rtseg run` on live sources: policies, a server that restarts, and Ctrl-C."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import av
import waiting
from faults.camera import Camera
from faults.mjpeg import MjpegServer
from sources.links import wait_until
from sources.live.test_stdin import stream

SIZE = (48, 64)


def started(tiny: Path, *arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rtseg.cli", "run", *arguments, "--model", str(tiny), "--warmup", "0", "--sector", "off"]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_nothing_of_a_pipe_is_lost_where_that_is_asked(tiny: Path, tmp_path: Path):
    lines = tmp_path / "out.jsonl"
    process = started(tiny, "-", "--policy", "all", "--json", str(lines), stdin=subprocess.PIPE)
    process.stdin.buffer.write(stream("nut", 60, SIZE))
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained
    assert len(lines.read_text().splitlines()) == 1 + 60
    assert "0 dropped" in said
    assert "standard input is ended: the peer ended the stream" in said


def test_a_peer_may_go_and_come_and_ctrl_c_ends_it_well(tiny: Path, tmp_path: Path):
    lines, camera = tmp_path / "out.jsonl", Camera("jpeg", fps=30)
    server = MjpegServer(camera)
    address = server.url.replace("//", "//user:geheim@")
    process = started(tiny, address, "--json", str(lines))
    waiting.for_lines(lines, 5, process)
    server.close()
    server = MjpegServer(camera, server.port)
    wait_until(lambda: server.accepted)
    waiting.for_lines(lines, len(lines.read_text().splitlines()) + 20, process)
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=60)
    server.close()
    camera.close()
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    assert "what was written so far is kept" in complained
    assert "video is lost: " in said
    assert "the source was lost" in said
    assert "geheim" not in said + complained + lines.read_text()
    rows = [json.loads(line) for line in lines.read_text().splitlines()[1:]]
    assert [row["index"] for row in rows] == sorted({row["index"] for row in rows})


def test_ctrl_c_is_heard_while_nothing_comes(tiny: Path):
    process = started(tiny, "-", stdin=subprocess.PIPE)
    threading.Event().wait(2)  # long enough to be starting or reading the pipe
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert process.returncode in (130, -signal.SIGINT)
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()


def amber_pixels(video: Path) -> int:
    """Return how many pixels of the last picture have about the color of warnings."""
    with av.open(str(video)) as opened:
        picture = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)][-1].astype(int)
    return int((picture[..., 0] - picture[..., 2] > 60).sum())


def test_the_overlay_of_a_slow_engine_is_marked_late(tiny: Path, tmp_path: Path):
    """The word LATE stands in the video by default, and not where frames of this age are allowed."""
    slow = (
        "import time; from rtseg.engines.openvino import OpenVinoEngine as engine; infer = engine.infer\n"
        "engine.infer = lambda *given: (time.sleep(0.3), infer(*given))[1]\nfrom rtseg.cli import main; main()"
    )
    common = ["run", "-", "--policy", "all", "--model", str(tiny), "--sector", "off", "--redact", "off"]
    found = {}
    for name, options in {"late": [], "allowed": ["--max-age", "60000"]}.items():
        out = tmp_path / f"{name}.mp4"
        command = [sys.executable, "-c", slow, *common, "--out", str(out), *options]
        subprocess.run(command, input=stream("nut", 4, (240, 320)), check=True, capture_output=True, timeout=120)
        found[name] = amber_pixels(out)
    assert found["late"] > found["allowed"] + 50, found
