"""Run the hand-made attacks: the tests marked `attack`, and the files of ../shared/cases/attack where they exist."""

import functools
import http.server
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT.parent / "shared" / "cases" / "attack"
_TESTS_S = 1800
_SECONDS_MOST, _BYTES_MOST = 20.0, 1 << 30
_NOT_REFUSED = "it was not refused"
_PLAYS, _FRAMES = "latin1.mkv", 5
_ENGINES = ("openvino", "onnx")
_COUNTED = (
    "import sys; from rtseg.sources import open_source\n"
    "for _ in open_source(sys.argv[1]): sys.stdout.write('frame\\n'); sys.stdout.flush()"
)
_MEASURED = (  # prints the peak memory of the command and its children on the last line
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print('\\n%d' % (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)); sys.exit(code)"
)


def run_tests() -> dict:
    """Run the tests marked `attack`; return how many passed, and which failed."""
    with tempfile.TemporaryDirectory(prefix="rtseg-attack-") as folder:
        written = Path(folder) / "tests.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "tests",
            "-m",
            "attack",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={written}",
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=_environment(), capture_output=True, text=True, timeout=_TESTS_S, check=False
        )
        if not written.exists():
            return {"passed": 0, "skipped": 0, "failed": [f"pytest ended with {done.returncode}: {done.stdout[-300:]}"]}
        cases = list(ElementTree.parse(written).iter("testcase"))
    failed = [_name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    if not cases:
        failed.append("no test is marked `attack`")
    return {"passed": len(cases) - skipped - len(failed), "skipped": skipped, "failed": failed}


def run_cases() -> dict:
    """Try each file of the shared cases through the command line; empty where the folder is missing."""
    told = dict(tried(CASES)) if CASES.is_dir() else {}
    return {
        "passed": sum(not words for words in told.values()),
        "failed": [f"{one}: {words}" for one, words in told.items() if words],
    }


def tried(cases: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each case in a folder, and its fault, or ""."""
    for path in sorted(cases.iterdir()):
        if path.name == _PLAYS:
            yield f"{path.name} file", _fault_of_play(str(path))
            with path.open("rb") as file:
                yield f"{path.name} standard input", _fault_of_play("-", file)
            with _served(cases) as port:
                yield f"{path.name} HTTP", _fault_of_play(f"http://127.0.0.1:{port}/{path.name}")
        elif path.suffix == ".onnx":
            for engine in _ENGINES:
                fault = _fault_of_refusal(["clip:carotid", "--model", str(path), "--engine", engine])
                yield f"{path.name} {engine}", fault
        else:
            yield path.name, _fault_of_refusal([f"replay:{path}" if path.is_dir() else str(path)])


def _fault_of_refusal(arguments: list[str]) -> str:
    started = time.monotonic()
    try:
        code, out, complaint = _run(["run", *arguments])
    except subprocess.TimeoutExpired:
        return f"it hung for {3 * _SECONDS_MOST:.0f} s"
    seconds, lines = time.monotonic() - started, [line for line in complaint.splitlines() if line.strip()]
    if code == 0:
        return _NOT_REFUSED
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"not one line, but {len(lines)}: {complaint[-200:]!r}"
    if seconds > _SECONDS_MOST:
        return f"it took {seconds:.0f} s"
    peak = int(out.splitlines()[-1])
    return f"it took {peak >> 20} MB" if peak > _BYTES_MOST else ""


def _fault_of_play(source: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> str:
    """Return the fault of a source that must yield 5 frames and end; read directly, since `rtseg run` drops live frames."""
    command = [sys.executable, "-c", _COUNTED, source]
    try:
        done = subprocess.run(
            command, stdin=stdin, env=_environment(), capture_output=True, text=True, timeout=3 * _SECONDS_MOST, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it hung for {3 * _SECONDS_MOST:.0f} s"
    count = done.stdout.count("frame\n")
    return "" if count == _FRAMES and not done.returncode else f"{count} frames: {done.stderr[-300:]!r}"


def _run(arguments: list[str]) -> tuple[int, str, str]:
    """Run a command, and return its status, stdout and stderr. Raises TimeoutExpired after killing its process group."""
    command = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "rtseg.cli", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=_environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            out, complaint = process.communicate(timeout=3 * _SECONDS_MOST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out, complaint


@contextmanager
def _served(folder: Path) -> Iterator[int]:
    class SilentRequestHandler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(SilentRequestHandler, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "COLUMNS": "200"}


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"
