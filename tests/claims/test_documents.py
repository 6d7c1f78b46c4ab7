"""Test that every code block of the README and the documents runs, or names the device or server that it needs."""

import ast
import inspect
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from claims.checkout import ROOT, project
from claims.documents import CODE, OTHER, CodeBlock, blocks, calls, commands, documents
from claims.prepared import prepare
from faults.camera import Camera
from faults.igtl import IgtlCameraServer
from faults.rtsp import RtspServer

import rtseg
import rtseg.session.sector
import rtseg.sinks
from rtseg.cli.app import load_command

MOST_MARKED = 10
NEEDS = {  # device that a mark may name: pattern of the commands that are then only parsed
    "V4L2 camera": r"\bcamera:",
    "screen": r"\bscreen:",
    "NVIDIA GPU": r"^(rtseg build|cmake|pip) ",
    "Jetson board": r"",
}
SHORTER = {"eval": ["--threads", "1"], "bench": ["--frames", "60", "--rounds", "1", "--threads", "1"], "demo": ["--port", "0"]}
RECIPES = Path("engines/zoo")  # hours of training each, so that their commands are only parsed
WAIT_S = 240

ALL = [block for path in documents() for block in blocks(path, (ROOT / path).read_text())]
PYTHON = [block for block in ALL if block.language == "python"]
SHELL = [block for block in ALL if block.language == "bash"]
CALLS = [(str(path), call) for path in documents() for call in calls((ROOT / path).read_text())]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Write the prepared files once."""
    folder = tmp_path_factory.mktemp("inputs")
    prepare(folder)
    return folder


@pytest.fixture
def folder(inputs, tmp_path):
    """Copy the prepared files to a folder in which one block runs."""
    shutil.copytree(inputs, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path


def test_every_block_says_its_language():
    assert {block.language for block in ALL} <= {*CODE, *OTHER}
    assert PYTHON
    assert SHELL


def test_few_blocks_are_marked_and_each_names_what_it_needs():
    marked = [block for block in ALL if block.needs]
    assert len(marked) <= MOST_MARKED
    for block in marked:
        for need in block.needs:
            assert need in NEEDS, f"{block}: say which device or server is needed, of {', '.join(NEEDS)}"
            assert any(re.search(NEEDS[need], " ".join(command)) for command in commands(block.text)), f"{block}: {need}"


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block, folder):
    script = re.search(r"python \S+\.py ([^`#\n]*)", block.before)
    with served(block.text) as text:
        run([sys.executable, "-c", text, *(script[1].split() if script else ())], folder)


SLOW_PAGES = ("docs/files.md", "docs/temporal.md", "docs/adopt.md", "docs/redaction.md", "docs/sector.md")  # `make slow`


@pytest.mark.parametrize(
    "block", [pytest.param(one, marks=[pytest.mark.slow] * str(one).startswith(SLOW_PAGES)) for one in SHELL], ids=str
)
def test_shell_runs(block, folder):
    for command in commands(block.text):
        try_command(command, block, folder)


@pytest.mark.parametrize(("path", "call"), CALLS)
def test_a_call_in_the_text_fits_the_signature(path, call):
    for node in ast.walk(ast.parse(call)):
        if isinstance(node, ast.Call):
            known = inspect.signature(public(ast.unparse(node.func))).parameters
            assert {keyword.arg for keyword in node.keywords} <= set(known), f"{path}: {call}"


def public(name):
    """Return the public class or function of a name."""
    homes = (rtseg, rtseg.sinks, rtseg.session.sector)
    return next(getattr(home, name.removeprefix("rtseg.")) for home in homes if hasattr(home, name.removeprefix("rtseg.")))


def try_command(command, block, folder):
    """Run one command of a block; a command with effects other than files is only checked."""
    program, *arguments = command
    line = " ".join(command)
    if RECIPES in block.path.parents or any(re.search(NEEDS[need], line) for need in block.needs):
        check(program, arguments)
    elif program == "rtseg":
        run_rtseg(arguments, folder)
    elif program == "python" and arguments[0] == "-m":
        assert (ROOT / "tests" / f"{arguments[1].replace('.', '/')}.py").exists()  # these programs measure for minutes
    elif program == "python":
        if not any(other.language == "python" and line.split("#")[0].strip() in other.before for other in ALL):
            run([sys.executable, str(ROOT / arguments[0]), *arguments[1:]], folder)
    else:
        assert program in ("make", "pip", "cmake", "cd"), (
            f"{block}: nobody knows how to try {program}; mark the block, or say here how"
        )
        check(program, arguments)


def check(program, arguments):
    """Check the options, target, extras and files of a command without running it."""
    if program == "rtseg":
        parse(arguments)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(arguments) <= set(targets)
    elif program == "pip":
        extras = re.findall(r"\[([\w,-]+)\]", " ".join(arguments))
        assert {extra for names in extras for extra in names.split(",")} <= set(project()["optional-dependencies"])
    elif program == "cmake":
        assert (ROOT / "CMakeLists.txt").exists()
    elif program == "cd":
        assert arguments[0].startswith("/") or (ROOT / arguments[0]).is_dir()


def parse(arguments):
    """Parse the arguments of a command with its own parser, without running it."""
    words = [word.strip("[]") for word in arguments]
    command = load_command(words[0])
    with command.make_context(words[0], list(words[1:])) as context:
        if hasattr(command, "commands"):
            name, mode, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            mode.make_context(name, rest, parent=context).close()


def run_rtseg(arguments, folder):
    """Run one `rtseg` command to its end, or to its first result if it has no end."""
    name = arguments[0]
    if "[--quick]" in arguments:  # a synopsis; the command would measure for minutes
        return parse(arguments)
    parse(arguments)
    options = SHORTER.get(name, [])
    if name == "bench":
        options = bench_options(arguments, folder)
    if "--video" in arguments:
        options = [*options, "--frames", "10"]
    asked = [sys.executable, "-m", "rtseg.cli", *arguments, *options]
    if name == "run" and arguments[1] == "replay:monday":
        run([*asked[:3], "run", "scan.mp4", "--record", "monday"], folder)
    endless = name == "demo" or (name == "run" and re.match(r"rtsp:|igtl:|synthetic:", arguments[1]))
    if not endless:
        run(asked, folder)
        return None
    with served(" ".join(arguments)) as text:
        return run_endless([*asked[:3], *text.split(), *options], folder, name)


def bench_options(arguments, folder):
    """Return options that shorten each bench mode; write the reports to compare first."""
    if "--compare" in arguments:
        for name in ("before", "after"):
            shutil.copytree(folder / "report", folder / name)
        return []
    if "--temporal" in arguments:
        for name in ("brachial_screen.mov", "liver_sweep.h264"):
            shutil.copy(folder / "scan.mp4", folder / name)
        return ["--quiet-frames", "10", "--frames", "10"]
    return [] if "--speckle" in arguments else SHORTER["bench"]


def run(command, folder):
    """Run a command in a folder, and assert that it succeeds."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def run_endless(command, folder, name):
    """Run a command until its first result, and end it as Ctrl-C does."""
    first = folder / "first_masks"
    shutil.rmtree(first, ignore_errors=True)  # left by the previous command
    if name == "run":
        command = [*command, "--masks", str(first), *(["--view-at", "0"] if "--view" in command else [])]
    log = folder / "endless.log"
    with log.open("w") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            until(lambda: process.poll() is not None or any(first.glob("*.png")) or answers(log))
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
        finally:
            process.kill()
    assert code in (0, 130) if name == "demo" else code == 130, f"{code}: {command}\n{log.read_text()}"
    assert answers_were(log) if name == "demo" else any(first.glob("*.png")), log.read_text()


def answers(log):
    """Return whether the demo's page is served."""
    url = re.search(r"the demo is at (http://\S+)", log.read_text())
    if not url:
        return False
    try:
        with urllib.request.urlopen(url[1], timeout=10) as answer:
            return answer.status == 200 and bool(log.with_suffix(".answered").write_text("yes"))
    except OSError:
        return False


def answers_were(log):
    return log.with_suffix(".answered").exists()


def until(done):
    end = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.2)


class ReferenceServer(IgtlCameraServer):
    """Sends the device name that PLUS uses for images in reference coordinates."""

    device = "Image_Reference"


@contextmanager
def served(text):
    """Start the servers that the text names, and yield the text with their real addresses."""
    found = re.search(r"rtsp://[\w.]+:\d+/\w+|igtl://[\w.]+:18944|127\.0\.0\.1\", 18945", text)
    if not found:
        yield text
        return
    is_rtsp = found[0].startswith("rtsp")
    camera = Camera("h264" if is_rtsp else "raw")
    server = (RtspServer if is_rtsp else ReferenceServer)(camera)
    try:
        if is_rtsp:
            yield text.replace(found[0], server.url)
        elif found[0].startswith("igtl"):
            yield text.replace(found[0], f"igtl://127.0.0.1:{server.port}").replace(" :18945", " :0")
        else:
            with sender(server.port) as port:
                yield text.replace("18945", str(port))
    finally:
        server.close()
        camera.close()


@contextmanager
def sender(source_port):
    """Start `rtseg run --igtl`, and yield the port at which it serves its masks."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    source = f"igtl://127.0.0.1:{source_port}/Image_Reference"
    command = [sys.executable, "-u", "-m", "rtseg.cli", "run", source, "--igtl", f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert any("OpenIGTLink at" in line for line in process.stdout)
            yield port
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        finally:
            process.kill()


@pytest.mark.parametrize(
    "text",
    [
        "rtseg run scan.mp4 --modle carotid",
        "rtseg bench --compare one.json",
        "rtseg fly",
        "make tea",
        "pip install 'rtseg[tea]'",
    ],
)
def test_a_wrong_command_fails(text, tmp_path):
    (command,) = commands(text)
    with pytest.raises(BaseException):  # noqa: B017, PT011  Click's errors are of two packages, by its version
        try_command(command, CodeBlock(Path("x.md"), 1, "bash", text), tmp_path)


def test_blocks_and_marks_are_found():
    page = "<!-- needs: screen -->\n```bash\nrtseg run screen:\n```\n\n    rtseg models   rtseg doctor\n\n   ```xml\n   ```\n"
    marked, indented, other = blocks(Path("x.md"), page)
    assert (marked.needs, marked.language, marked.line) == (("screen",), "bash", 2)
    assert commands(indented.text) == [["rtseg", "models"], ["rtseg", "doctor"]]
    assert other.language == "xml"
    assert calls("`Pipeline(..., guard=Guard())` and `Guard().cover(frame)`") == ["Pipeline(..., guard=Guard())"]
