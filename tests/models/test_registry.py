"""Tests that installed packages offer parts of networks by entry points, and that a broken one harms nobody else."""

import pytest
import torch
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.errors import ConfigError
from rtseg.models import DECODERS, ENCODERS, HEADS, MEMORIES, Composition
from rtseg.train.checkpoint import initial_network
from rtseg.train.config import from_values

REGISTRIES = {registry.group: registry for registry in (ENCODERS, MEMORIES, DECODERS, HEADS)}
MODULE = """
import torch
from torch import nn

class Plain(nn.ModuleList):
    features = widths = (4, 8, 8)

    def __init__(self, channels):
        super().__init__(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip((channels, 4, 8), (4, 8, 8)))

class Mean(nn.Module):
    n_states = 1

    def __init__(self, channels):
        super().__init__()

    def forward(self, x, h):
        return ((x + h) / 2,)

class Fussy(nn.ModuleList):
    features = widths = (4, 8, 8)

    def __init__(self, channels):
        raise RuntimeError("too few")

class Wrong(Plain):
    features = widths = (4, 8, 16)

class Bare(nn.Module): ...

function = len
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write an installed package with the given entry points."""

    def install(**groups):
        (tmp_path / "their_parts.py").write_text(MODULE)
        (tmp_path / "their_broken_parts.py").write_text("raise SystemExit('no licence')")
        info = tmp_path / "their_parts-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-parts\nVersion: 1.0\n")
        lines = [f"[rtseg.{group}]\n" + "".join(f"{n} = {v}\n" for n, v in names.items()) for group, names in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)

    return install


def test_every_name_of_rtseg_is_a_class_and_listed_first():
    for registry in REGISTRIES.values():
        assert all(isinstance(registry.find(name), type) for name in registry.names())
    assert ENCODERS.names()[:6] == ("s", "m", "lite0", "lite1", "lite2", "unet")


@torch.no_grad()
def test_parts_of_a_package_make_a_network(package):
    package(encoders={"plain": "their_parts:Plain"}, memories={"mean": "their_parts:Mean"})
    network = Composition(1, "plain", ["mean@8"]).eval()
    logits, state = network(torch.zeros(1, 1, 32, 32), *network.initial_states(1, (32, 32)))
    assert (logits.shape, state.shape) == ((1, 1, 16, 16), (1, 8, 4, 4))
    values = {"name": "x", "classes": ["a"], "size": [40, 40], "data": {"folder": "d", "held_out": []}}
    assert from_values({**values, "network": {"encoder": "plain", "memory": ["mean@8"]}}, "here").size == (40, 40)
    assert [registry.broken() for registry in REGISTRIES.values()] == [[], [], [], []]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "their_broken_parts:Any",
            r"imported from their-parts \(their_broken_parts:Any\) \(SystemExit\('no licence'\)\): mend it",
        ),
        ("their_parts:Absent", "cannot be imported from their-parts"),
        ("nowhere:Any", "No module named 'nowhere'"),
        ("their_parts:Bare", "lacks 'features': see docs/networks.md"),
        ("their_parts:function", "lacks 'features'"),
    ],
)
def test_a_broken_one_is_told_and_harms_nobody(package, value, message):
    package(encoders={"theirs": value})
    with pytest.raises(ConfigError, match=message):
        ENCODERS.find("theirs")
    assert len(ENCODERS.broken()) == 1
    assert "theirs" in ENCODERS.names()
    assert Composition(1).eval()
    with pytest.raises(ConfigError, match="there are s, m, lite0, lite1, lite2, unet, theirs"):
        ENCODERS.find("nobody's")


def test_one_that_cannot_be_built_is_a_line(package):
    package(encoders={"fussy": "their_parts:Fussy"})
    with pytest.raises(ConfigError, match=r"encoder 'fussy' cannot be built \(RuntimeError\('too few'\)\): mend its package"):
        Composition(1, "fussy", [])


def test_parts_that_do_not_fit_are_told_before_the_first_step(package):
    package(encoders={"wrong": "their_parts:Wrong"})
    values = {"name": "x", "classes": ["a"], "size": [40, 40], "data": {"folder": "d", "held_out": []}}
    with pytest.raises(ConfigError, match=r"wrong, gru@8, add do not fit together on \(40, 40\) \(.*\): choose others"):
        initial_network(from_values({**values, "network": {"encoder": "wrong", "memory": ["gru@8"]}}, "here"))


def test_a_name_of_rtseg_is_not_taken_over(package, caplog):
    own = ENCODERS.find("s")
    package(encoders={"s": "their_parts:Plain"})
    assert ENCODERS.find("s") is own
    assert ENCODERS.names().count("s") == 1
    assert "their-parts (their_parts:Plain) is left out: rtseg has its own encoder 's'" in caplog.text


def test_the_command_lists_all_parts_and_the_broken_ones(package):
    package(heads={"theirs": "their_broken_parts:Any"}, memories={"mean": "their_parts:Mean"})
    done = CliRunner().invoke(app, ["train", "--parts"])
    assert done.exit_code == 0, done.output
    assert "encoders: s, m, lite0, lite1, lite2, unet\n" in done.output
    assert "memories: gru, lstm, mask, mean\n" in done.output
    assert "head 'theirs' cannot be imported from their-parts" in done.output


def test_the_command_needs_a_configuration():
    done = CliRunner().invoke(app, ["train"])
    assert done.exit_code == 1
    assert "no CONFIG is given: name a training's .toml file" in done.output
