"""Test `rtseg run --config FILE`: every option, the precedence of the command line, and what is refused with its line."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app, load_command
from rtseg.cli.options.config_file import read_options
from rtseg.errors import ConfigError

ROOT = Path(__file__).parents[2]
SOURCE = "synthetic:vessel?height=64&width=96&frames=12"
RUN = load_command("run").params
OPTIONS = [parameter for parameter in RUN if parameter.name not in ("config", "help")]


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "rtseg.toml"
        path.write_text(text)
        return path

    return write


def rtseg(*arguments: object):
    return CliRunner().invoke(app, ["run", *map(str, arguments)])


def test_a_file_runs_a_stream(write, tiny: Path, tmp_path: Path):
    lines = tmp_path / "out.jsonl"
    text = f'version = 1\nsource = "{SOURCE}"\nmodel = "{tiny}"\njson = "{lines}"\nframes = 4\nmeasure = ["area"]\nfps = 50\n'
    done = rtseg("--config", write(text + "steady = false\nmeasure-unfamiliar = true\nmask_format = 'npz'\n"))
    assert done.exit_code == 0, done.output
    header, *rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert header["stream"]["fps"] == 50
    assert len(rows) == 4
    assert list(rows[0]["measures"]) == ["area"]


def test_the_command_line_takes_precedence(write, tiny: Path):
    path = write(f'source = "nothing.mp4"\nmodel = "{tiny}"\nframes = 4\njson = "-"\nmeasure = ["hc"]\n')
    done = rtseg(SOURCE, "--config", path, "--frames", 2, "--measure", "area")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 1 + 2
    assert list(rows[1]["measures"]) == ["area"]


@pytest.mark.parametrize("parameter", OPTIONS, ids=lambda parameter: parameter.name)
def test_every_option_has_its_key(write, parameter):
    key = next((name[2:] for name in parameter.opts if name.startswith("--")), parameter.name)
    is_flag, is_list = getattr(parameter, "is_flag", False), getattr(parameter, "multiple", False) or parameter.nargs == -1
    value, expected = ("true", True) if is_flag else ('["a", 2]', ["a", "2"]) if is_list else ('"a"', "a")
    for spelled in {key, key.replace("-", "_")}:
        assert read_options(write(f"{spelled} = {value}\n"), RUN) == {parameter.name: expected}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('source = "a"\n\nmodle = "b"\n', r"rtseg\.toml, line 3: rtseg run has no option 'modle': the nearest name is 'model'"),
        ("Frames = 3\n", "line 1: .*no option 'Frames': the nearest name is 'frames'"),
        ("config = 'x'\n", "no option 'config'"),
        ("view = 1\n", "line 1: 'view' is a switch: give true or false, not 1"),
        ("frames = true\n", "'frames' takes a text or a number, not True"),
        ("frames = [1, 2]\n", r"'frames' takes a text or a number, not \[1, 2\]"),
        ("measure = [['a']]\n", "'measure' takes a text or a number"),
        ("fps = 2026-01-01\n", "'fps' takes a text or a number"),
        ("max-age = 3\nmax_age = 4\n", "line 2: 'max_age' stands for an option that is given before"),
        ("version = 2\n", "line 1: this rtseg reads version 1 of the file, not 2"),
        ("version = true\n", "reads version 1 of the file, not True"),
        (
            "[[stream]]\nsource = 'a'\n",
            r"line 1: 'stream' is a table, and a file has no tables but \[\[sources",
        ),
        ("source = \n", r"rtseg\.toml is not TOML .*line 1"),
        ("a = 1\na = 2\n", "is not TOML"),
    ],
)
def test_what_is_no_option_is_refused_with_its_line(write, text, words):
    with pytest.raises(ConfigError, match=words):
        read_options(write(text), RUN)


def test_the_refusal_is_one_line_of_the_command(write):
    done = rtseg("--config", write("framse = 3\n"))
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert "the nearest name is 'frames'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("line", ["frames = 'x'", "frames = 0", "policy = 'new'", "opacity = 2"])
def test_a_value_out_of_range_is_refused_with_file_and_line(write, line):
    done = rtseg("--config", write(f"# a comment\nsource = '{SOURCE}'\n{line}\n"))
    assert done.exit_code == 2
    assert re.search(r"rtseg\.toml, line 3:", " ".join(done.stderr.split())), done.stderr


def test_a_wrong_value_on_the_command_line_names_no_file(write):
    done = rtseg("--config", write("opacity = 0.5\n"), SOURCE, "--frames", "x")
    assert done.exit_code == 2
    assert "rtseg.toml" not in done.stderr


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path):
    assert "cannot be read (No such file" in rtseg("--config", tmp_path / "no.toml").stderr
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8" in rtseg("--config", tmp_path / "binary.toml").stderr


def test_a_source_is_needed_in_one_of_them(write):
    assert rtseg("--config", write("frames = 3\n")).exit_code == 2


def test_the_file_of_the_page_is_taken(write):
    (text,) = re.findall(r"^```toml\n(.*?)^```", (ROOT / "docs" / "config.md").read_text(), re.MULTILINE | re.DOTALL)
    found = read_options(write(text), RUN)
    assert (found["source"], found["max_age"], found["view"]) == (["rtsp://127.0.0.1:8554/us"], "200", True)


TABLES = """
version = 1
frames = 4
json = "{0}/lines"

[[models]]
model = "{1}"
measure = ["area"]

[[sources]]
source = "synthetic:vessel?height=64&width=96&frames=12"
stream = "left"
sector = "off"
policy = "block"
masks = "{0}/left-masks"

[[sources]]
source = "synthetic:vessel?height=64&width=96&frames=12&seed=4"
stream = "right"
frames = 6
fps = 50
"""


def test_tables_describe_several_sources_with_their_own_options(write, tiny: Path, tmp_path: Path):
    done = rtseg("--config", write(TABLES.format(tmp_path, tiny)))
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "lines").iterdir()) == ["left.jsonl", "right.jsonl"]
    files = [tmp_path / "lines" / f"{name}.jsonl" for name in ("left", "right")]
    left, right = ([json.loads(line) for line in path.read_text().splitlines()] for path in files)
    assert (len(left), len(right)) == (1 + 4, 1 + 6)
    assert (left[0]["stream"]["fps"], right[0]["stream"]["fps"]) != (50, 25)
    assert right[0]["stream"]["fps"] == 50
    assert list(left[1]["measures"]) == ["area"]
    assert len(list((tmp_path / "left-masks").glob("*.png"))) == 4


def test_each_source_has_the_card_of_its_scanner(write, tiny: Path, tmp_path: Path):
    text = TABLES.format(tmp_path, tiny).replace('sector = "off"', f'scanner = "{tmp_path}/no-card.toml"')
    done = rtseg("--config", write(text))
    assert done.exit_code == 1
    assert "error: left: " in done.output
    assert "no-card.toml" in done.output
    assert "right: ended after 6 frames" in done.output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sector", "sectro", r"line 13: rtseg run has no option 'sectro': the nearest name is 'sector'"),
        ("fps = 50", "sectro = 'off'", r"line 21: .* no option 'sectro'"),
        ("fps = 50", "threads = 1", r"\[\[sources\]\] number 2: 'threads' holds for the whole process"),
        ("fps = 50", "model = 'a'", r"\[\[sources\]\] number 2: 'model' holds for the whole process"),
        ("fps = 50", "fps = 0", r"\[\[sources\]\] number 2, 'fps': .*0"),
        ("fps = 50", "policy = 'none'", r"\[\[sources\]\] number 2, 'policy': "),
        ('measure = ["area"]', "masks = 'a'", r"\[\[models\]\] number 1: 'masks' holds for the whole process"),
        ("version = 1", "version = 3", "reads version 1 of the file, not 3"),
        ("frames = 4", "source = 'a'", r"has 'source' and \[\[sources\]\]"),
        ('"right"', '"left"', "two streams are named 'left'"),
        ('"right"', '"../right"', "cannot be part of a file's name"),
        ('source = "synthetic:vessel?height=64&width=96&frames=12"\n', "", r"\[\[sources\]\] number 1 has no 'source'"),
        ("fps = 50", 'json = "{0}/lines/left.jsonl"', "would be written by two streams"),
    ],
)
def test_what_is_wrong_in_a_table_is_refused_in_one_line(write, tiny: Path, tmp_path: Path, old: str, new: str, words: str):
    text = TABLES.replace(old, new, 1).format(tmp_path, tiny)
    done = rtseg("--config", write(text))
    assert (done.exit_code, done.output.count("error:")) == (1, 1), done.output
    assert re.search(words, done.output.replace("\n", " ")), done.output
    assert not (tmp_path / "lines").exists()


def test_sources_on_the_command_line_and_in_tables_are_refused(write, tiny: Path, tmp_path: Path):
    done = rtseg(SOURCE, "--config", write(TABLES.format(tmp_path, tiny)))
    assert done.exit_code == 1
    assert "the command line names sources and so does [[sources]]" in done.output.replace("\n", " ")
