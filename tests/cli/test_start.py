"""Tests that `rtseg --help` starts fast: the commands are listed from a table, and imported when they run."""

import inspect
import re
import resource
import statistics
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version

import pytest
from claims.checkout import ROOT

from rtseg.cli.app import app, load_command
from rtseg.cli.commands import COMMANDS

MOST_TIMES = 12  # most CPU time of `rtseg --help` in units of `python -c pass`
ENTRIES = {"module": ("-m", "rtseg.cli"), "script": ("-c", "import sys; from rtseg.cli import main; sys.exit(main())")}
HEAVY = {"numpy", "numba", "cv2", "av", "openvino", "onnx", "onnxruntime", "torch", "rich"}
LIGHT = {"rtseg", "rtseg.cli", "rtseg.cli.__main__", "rtseg.cli.app", "rtseg.cli.commands", "rtseg.errors"}
LIGHT |= {"rtseg.cli.signals", "rtseg.cli.standard_streams", "rtseg.exit_codes"}
LIGHT |= {"rtseg.output", "rtseg.output.atomic_file", "rtseg.output.file_lock", "rtseg.output.private_file"}
LIGHT |= {"rtseg.text", "rtseg.text.credentials", "rtseg.text.log_records", "rtseg.text.safe_text"}
REGISTERS = re.compile(r"^@app\.command\(|^app\.(add_typer|command)\(", re.MULTILINE)


def cpu_seconds(*arguments: str) -> float:
    """Return the user and system seconds of one Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rtseg(*arguments: str, python: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own."""
    command = [sys.executable, *python, "-m", "rtseg.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_help_costs_few_times_what_python_costs(entry):
    turns = [(cpu_seconds("-c", "pass"), cpu_seconds(*entry, "--help")) for _ in range(8)][1:]  # the first fills the file cache
    python, help_of_rtseg = (statistics.median(column) for column in zip(*turns, strict=True))
    assert help_of_rtseg <= MOST_TIMES * python


def test_help_loads_no_command_and_no_heavy_package():
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "rtseg.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(re.findall(r"\|\s+([\w.]+)$", told.stderr, re.MULTILINE))
    assert "typer" in loaded
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert {name for name in loaded if name.partition(".")[0] == "rtseg"} <= LIGHT


def test_help_lists_every_command_with_its_whole_summary():
    text = " ".join(rtseg("--help").stdout.split())
    for name, entry in COMMANDS.items():
        assert f"{name} {entry.summary}" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_first_paragraph_of_the_commands_own_help(name):
    first = inspect.cleandoc(load_command(name).help).split("\n\n")[0]
    assert COMMANDS[name].summary == " ".join(first.split())


def test_every_module_that_registers_a_command_has_its_row():
    sources = {path: path.read_text() for path in (ROOT / "rtseg/cli").rglob("*.py")}
    dotted = (
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path, text in sources.items() if REGISTERS.search(text)
    )
    assert sorted(dotted) == sorted(entry.module for entry in COMMANDS.values())
    for entry in COMMANDS.values():
        import_module(entry.module)
    named = {one.name or one.callback.__name__ for one in app.registered_commands} | {one.name for one in app.registered_groups}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("arguments", [("modls",), ("--modles",)])
def test_a_wrong_command_is_refused_in_words(arguments):
    done = rtseg(*arguments)
    assert done.returncode == 2
    assert "No such" in done.stderr


def test_no_arguments_print_the_help():
    done = rtseg()
    assert done.returncode == 2
    assert done.stderr == rtseg("--help").stdout


@pytest.mark.parametrize("module", ["rtseg", "rtseg.cli"])
def test_version_is_printed(module):
    told = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == f"rtseg {version('rtseg')}\n"
