"""Test plug-ins of each kind: they are used by name, and one that raises harms nobody else."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import rtseg
from rtseg.cli.app import app
from rtseg.doctor.environment import examine_environment
from rtseg.errors import ConfigError, EngineError, ModelError, PluginError, SinkError, SourceError
from rtseg.measure.biometry import Biometry, request_measures
from rtseg.plugins import GROUPS, find_plugin, plugins
from rtseg.sinks.plugin_sink import open_plugin_sink

SOURCE = "synthetic:vessel?height=64&width=96&frames=6"
NO_EDGE = np.zeros(0, np.intp)

SOURCES = """
import numpy as np, rtseg
class Own:
    def __init__(self, frames, ending): self.frames, self.ending = frames, ending
    @property
    def info(self): return rtseg.StreamInfo(48, 64, 25.0)
    def __iter__(self):
        for index in range(self.frames):
            yield rtseg.Frame(np.zeros((48, 64), np.uint8), index, index + 1)
        if self.ending: yield self.ending()
    def close(self): pass
def good(rest, *, fps, spacing_mm): return Own(int(rest), None)
def breaks(rest, *, fps, spacing_mm): return Own(2, lambda: 1 / 0)
def lies(rest, *, fps, spacing_mm): return Own(2, lambda: "no frame")
def refuses(rest, *, fps, spacing_mm): raise rtseg.RtsegError("plug it in")
def fails(rest, *, fps, spacing_mm): raise KeyError("no device")
def nothing(rest, *, fps, spacing_mm): return None
"""
SINKS = """
class Sink:
    def __init__(self, argument):
        if argument == "worse": raise ValueError("a bad argument")
        self.at, self.seen = int(argument or -1), 0
    def open(self, info):
        if self.at == 0: raise RuntimeError("no room")
    def write(self, result):
        self.seen += 1
        if self.seen == self.at: raise ZeroDivisionError("halfway")
    def close(self):
        if self.at == 99: raise OSError("no end")
"""
MEASURES = """
from rtseg.measure.quantity import Quantity
def q(name, compute): return Quantity(name, name + " of it", "", ((),), "a test", compute)
good = q("good", lambda region: region.mask.sum() * 2)
bad = q("bad", lambda region: region.nothing)
nan = q("nan", lambda region: float("nan"))
text = q("text", lambda region: "much")
other = "no quantity"
"""
ENGINES = """
from rtseg.engines.openvino import OpenVinoEngine
def good(path, *, spec, threads): return OpenVinoEngine(path, spec, threads=threads)
class Failing(OpenVinoEngine):
    def infer(self, x, state): raise MemoryError("the card is full")
def failing(path, *, spec, threads): return Failing(path, spec, threads=threads)
def refusing(path, *, spec, threads): raise ImportError("no driver")
def empty(path, *, spec, threads): return object()
"""


def run(*arguments):
    return CliRunner().invoke(app, ["run", *map(str, arguments)])


def test_a_source_is_opened_by_its_scheme(install):
    install(SOURCES, {"rtseg.sources": {"own": "good"}})
    assert [frame.index for frame in rtseg.open_source("own:3")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("breaks", "the plug-in 'own' of package.* 1.2 broke while it was read .ZeroDivisionError"),
        ("lies", "the plug-in 'own' .*yields str in place of Frame"),
    ],
)
def test_what_a_source_raises_is_one_error_after_the_last_frame(install, name, words):
    install(SOURCES, {"rtseg.sources": {"own": name}})
    frames, indices = iter(rtseg.open_source("own:")), []
    with pytest.raises(SourceError, match=words):
        indices.extend(frame.index for frame in frames)
    assert indices == [] or indices == [0, 1]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("refuses", rtseg.RtsegError, "^plug it in$"),
        ("fails", PluginError, "cannot be opened .KeyError: 'no device'.*: tell its makers, or leave it out"),
        ("nothing", TypeError, "a source is not None: the plug-in 'own'"),
        ("missing", PluginError, "cannot be loaded .AttributeError"),
    ],
)
def test_a_source_that_does_not_open_says_why(install, name, kind, words):
    install(SOURCES, {"rtseg.sources": {"own": name}})
    with pytest.raises(kind, match=words):
        rtseg.open_source("own:")


def test_an_unknown_scheme_names_the_plugins(install):
    install(SOURCES, {"rtseg.sources": {"own": "good"}})
    with pytest.raises(SourceError, match=r"others: is not a kind of source: .*, own$"):
        rtseg.open_source("others:3")


def test_a_plugin_never_takes_the_name_of_a_source_of_rtseg(install):
    install("raise SystemExit('mine')", {"rtseg.sources": {"synthetic": "x"}, "rtseg.engines": {"openvino": "x"}})
    assert next(iter(rtseg.open_source(SOURCE))).index == 0
    findings = {one.name: one for one in examine_environment() if one.group == "plug-in"}
    assert "rtseg has a source of this name" in findings["source synthetic"].detail
    assert not findings["engine openvino"].present


def test_a_sink_writes_and_one_that_fails_harms_nobody(install, tiny: Path, tmp_path: Path):
    install(SINKS, {"rtseg.sinks": {"own": "Sink"}})
    assert run(SOURCE, "--model", tiny, "--sink", "own").exit_code == 0
    done = run(SOURCE, "--model", tiny, "--sink", "own=3", "--sink", "own=99", "--json", tmp_path / "out.jsonl")
    assert done.exit_code == 3, done.output
    said = " ".join(done.output.split())
    assert "'own' of package" in said
    assert "failed at frame 2, where its output ends: ZeroDivisionError('halfway')" in said
    assert "could not finish its output, where its output ends: OSError('no end')" in said
    assert [json.loads(line).get("index") for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [None, *range(6)]


@pytest.mark.parametrize(
    ("argument", "words"), [("own=0", "no room"), ("own=worse", "a bad argument"), ("other", "no plug-in sink")]
)
def test_a_sink_that_does_not_open_ends_the_command_before_the_stream(install, tiny: Path, argument, words):
    install(SINKS, {"rtseg.sinks": {"own": "Sink"}})
    done = run(SOURCE, "--model", tiny, "--sink", argument)
    assert done.exit_code == 1
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_a_sink_of_no_name_is_told_which_there_are(install):
    install(SINKS, {"rtseg.sinks": {"own": "Sink"}})
    with pytest.raises(ConfigError, match=r"no plug-in sink 'wrong': own, see"):
        open_plugin_sink("wrong=3")


def test_a_measure_is_taken_and_one_that_raises_is_withheld_with_the_reason(install):
    install(MEASURES, {"rtseg.measures": {name: name for name in ("good", "bad", "nan", "text", "other")}})
    labels = np.zeros((10, 10), np.uint8)
    labels[2:4, 2:7] = 1
    found = rtseg.Segmentation(labels, ("lumen",), (0.9,))
    requested = request_measures(["good", "bad", "nan", "text", "area"], ["lumen"])
    values = {one.name: one for one in Biometry(requested).measure(found, NO_EDGE)}
    assert values["good"].value == 20
    assert "AttributeError" in values["bad"].withheld
    assert "measured nan" in values["nan"].withheld
    assert "ValueError" in values["text"].withheld
    assert values["area"].withheld.startswith("the pixel size is unknown")
    with pytest.raises(PluginError, match="is no Quantity of that name"):
        request_measures(["other"], ["lumen"])
    with pytest.raises(ConfigError, match=r"'unknown' is no measure: .*good"):
        request_measures(["unknown"], ["lumen"])


def test_an_engine_runs_a_model(install, tiny: Path):
    install(ENGINES, {"rtseg.engines": {"own": "good"}})
    engine = rtseg.load_engine(tiny, "own", threads=1)
    assert engine.spec.classes == ("lumen",)
    assert rtseg.Pipeline(rtseg.open_source(SOURCE), rtseg.Session(engine)).run().counts.frames == 6
    engine.close()


def test_an_engine_that_fails_gives_way_to_the_next(install, tiny: Path):
    install(ENGINES, {"rtseg.engines": {"failing": "failing", "refusing": "refusing"}})
    engine = rtseg.load_engine(tiny, "refusing,failing,openvino", threads=1)
    assert rtseg.Pipeline(rtseg.open_source(SOURCE), rtseg.Session(engine)).run().counts.frames == 6
    assert engine.name == "openvino"
    engine.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("failing", "the card is full"),
        ("refusing", "no driver"),
        ("empty", "an engine is not"),
        ("unknown", "no engine 'unknown'"),
    ],
)
def test_an_engine_alone_that_fails_is_one_line(install, tiny: Path, name, words):
    install(ENGINES, {"rtseg.engines": {one: one for one in ("failing", "refusing", "empty")}})
    done = run(SOURCE, "--model", tiny, "--engine", name)
    assert done.exit_code == 1
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_a_model_is_loaded_by_its_name(install, tiny: Path):
    code = f"path = {str(tiny)!r}\ndef find(): return path\ngone = 'gone.onnx'\nnumber = 3\n"
    install(code, {"rtseg.models": {"mine": "path", "found": "find", "gone": "gone", "number": "number"}})
    for name in ("mine", "found"):
        engine = rtseg.load_engine(name, threads=1)
        assert engine.spec.classes == ("lumen",)
        engine.close()
    with pytest.raises(ModelError, match=r"names gone\.onnx, which does not exist"):
        rtseg.load_engine("gone")
    with pytest.raises(PluginError, match="names no model file"):
        rtseg.load_engine("number")
    with pytest.raises(ModelError, match=r"no model 'unknown': .*mine"):
        rtseg.load_engine("unknown")


def test_the_doctor_lists_plugins_and_says_what_failed(install):
    install(SINKS, {"rtseg.sinks": {"works": "Sink"}}, "good-package")
    install("import nowhere_to_be_found", {"rtseg.sources": {"broken": "x"}}, "bad-package")
    install("raise SystemExit(3)", {"rtseg.measures": {"exits": "x"}}, "worse-package")
    told = {one.name: one for one in examine_environment() if one.group == "plug-in"}
    assert told["sink works"].present
    assert told["sink works"].detail == "good-package 1.2"
    assert not told["source broken"].present
    assert "bad-package 1.2" in told["source broken"].detail
    assert "nowhere_to_be_found" in told["source broken"].detail
    assert "SystemExit" in told["measure exits"].detail
    output = CliRunner().invoke(app, ["doctor"]).output
    assert "good-package 1.2" in output


def test_two_packages_with_one_name_are_refused_by_theirs(install):
    for package in ("first", "second"):
        install(SOURCES, {"rtseg.sources": {"own": "good"}}, package)
    with pytest.raises(PluginError, match=r"first 1\.2, second 1\.2 each have a plug-in 'own'"):
        rtseg.open_source("own:3")
    told = [one for one in examine_environment() if one.name == "source own"]
    assert len(told) == 2
    assert not any(one.present for one in told)


def test_nothing_is_imported_before_it_is_used(install, tiny: Path):
    install("raise AssertionError('imported')", {group: {"trap": "x"} for group in GROUPS})
    assert all([plugin.name for plugin in plugins(group)] == ["trap"] for group in GROUPS)
    assert run(SOURCE, "--model", tiny, "--measure", "area").exit_code == 0
    with pytest.raises(PluginError, match="AssertionError: imported"):
        find_plugin("rtseg.sinks", "trap").load()
    assert issubclass(SinkError, rtseg.RtsegError)
    assert issubclass(EngineError, rtseg.RtsegError)
