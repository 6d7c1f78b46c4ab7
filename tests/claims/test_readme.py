"""Test the README: its Python runs, its commands exist, and its links resolve."""

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from claims.checkout import ROOT, project

README = (ROOT / "README.md").read_text()
NEEDS_CAMERA = "# needs a camera"
BENCH_MODES = (
    "engines",
    "kernels",
    "speckle",
    "temporal",
    "compare",
    "loop",
)  # without one, `rtseg bench` means `rtseg bench run`


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the `rtseg` and `make` commands of fenced blocks and `code`, without prompt, comment and continuation."""
    fenced = re.findall(r"^```(?:bash|sh|shell|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(fenced).replace("\\\n", " ").splitlines()
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    stripped = (line.strip().removeprefix("$ ") for line in lines + spans)
    split = (shlex.split(line, comments=True) for line in stripped if re.match(r"(\.venv/bin/)?(rtseg|make) ", line))
    return [[Path(first).name, *rest] for first, *rest in split]


def links(text: str) -> list[str]:
    """Return the files of the checkout that the text links to or shows."""
    named = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"<(?:img|a|source)[^>]*(?:src|href)=\"([^\"]+)\"", text)
    return [name.split("#")[0] for name in named if not re.match(r"[a-z]+:|#", name)]


def extras(text: str) -> list[str]:
    return [extra.strip() for names in re.findall(r"rtseg\[([^\]]+)\]", text) for extra in names.split(",")]


@cache
def help_of(*subcommand: str) -> str:
    """Return the output of `rtseg SUBCOMMAND --help`; empty where there is no such subcommand."""
    asked = [sys.executable, "-m", "rtseg.cli", *subcommand, "--help"]
    env = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(asked, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else ""


def targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def unknown(command: list[str]) -> list[str]:
    """Return the parts of a command that do not exist: targets, a subcommand or options."""
    program, *arguments = command
    if program == "make":
        return [target for target in arguments if not target.startswith("-") and "=" not in target and target not in targets()]
    subcommand = [] if arguments[0].startswith("-") else arguments[:1]
    known = help_of(*subcommand)
    if not known:
        return subcommand
    if subcommand == ["bench"]:
        modes = [mode for mode in BENCH_MODES if {mode, f"--{mode}"} & set(arguments)]
        known += help_of("bench", *(modes or ["run"]))
    options = [argument.split("=")[0] for argument in arguments if re.match(r"--?[a-z]", argument)]
    return [option for option in options if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known)]


BLOCKS, COMMANDS, LINKS = python_blocks(README), commands(README), links(README)


def test_the_readme_shows_python_and_both_commands():
    assert BLOCKS
    assert LINKS
    assert ["make", "demo"] in COMMANDS
    assert ["make", "test"] in COMMANDS
    assert "not a medical device" in README


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_python_runs(block, tmp_path):
    compile(block, "README.md", "exec")
    if NEEDS_CAMERA in block:
        return
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_exists(command):
    assert unknown(command) == []


@pytest.mark.parametrize("name", LINKS)
def test_a_link_leads_to_a_file(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("extra", extras(README))
def test_an_extra_exists(extra):
    assert extra in project()["optional-dependencies"]


def test_commands_are_found_in_every_place():
    fence = "```bash\n$ rtseg run a.mp4 \\\n    --out b.mp4  # a comment\n.venv/bin/rtseg doctor\ncd x\n```\n"
    found = [["rtseg", "run", "a.mp4", "--out", "b.mp4"], ["rtseg", "doctor"], ["rtseg", "models"], ["make", "test"]]
    assert commands(f"Say `rtseg models`.\n{fence}`make`d `make test`\n") == found


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("rtseg fly", ["fly"]),
        ("rtseg run a.mp4 --mod carotid --model carotid", ["--mod"]),
        ("rtseg run a.mp4 -x", ["-x"]),
        ("rtseg --nonsense", ["--nonsense"]),
        ("make tea demo PYTHON=python3.11", ["tea"]),
    ],
)
def test_a_command_that_does_not_exist_is_found(command, missing):
    assert unknown(command.split()) == missing


def test_links_are_found():
    text = '![x](docs/a.png) [y](https://z.org) [s](#part) [d](docs/b.md#part) <img width="9" src="docs/c.png">'
    assert links(text) == ["docs/a.png", "docs/b.md", "docs/c.png"]
