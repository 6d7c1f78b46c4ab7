"""Tests of groups of options: each field is one flag, and the command receives the group as one value."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import ModelDescription, OnnxModelDescription
from rtseg.errors import ConfigError

said: list[object] = []


@dataclass(frozen=True)
class ColorOptions:
    edge: Annotated[str, typer.Option("--edge", help="Around it.")]
    fill: Annotated[str, typer.Option("--fill", "-f", help="Inside.")] = "red"


def command():
    app = typer.Typer()

    @app.command()
    @grouped
    def draw(
        *, what: Annotated[str, typer.Argument()], colours: ColorOptions, times: Annotated[int, typer.Option("--times")] = 1
    ):
        """Draw it."""
        said.append((what, colours, times))

    return app


def test_a_group_arrives_as_one_value():
    assert CliRunner().invoke(command(), ["disc", "--edge", "blue", "--times", "3"]).exit_code == 0
    assert said.pop() == ("disc", ColorOptions("blue", "red"), 3)
    assert CliRunner().invoke(command(), ["disc", "--edge", "blue", "-f", "green"]).exit_code == 0
    assert said.pop() == ("disc", ColorOptions("blue", "green"), 1)


def test_a_field_without_a_default_is_wanted():
    result = CliRunner().invoke(command(), ["disc"])
    assert result.exit_code == 2
    assert "--edge" in result.output


def test_the_help_is_the_commands_own_with_the_groups_options_in_their_place():
    text = CliRunner().invoke(command(), ["--help"]).output
    assert "Draw it." in text
    assert text.index("--edge") < text.index("--fill") < text.index("--times")


def test_a_network_is_described_in_full_or_not_at_all():
    assert ModelDescription().spec_for("net.onnx") is None
    assert OnnxModelDescription().spec_for("net.onnx") is None
    with pytest.raises(ConfigError, match="--size and --classes"):
        OnnxModelDescription(state=["h_in:h_out"]).spec_for("net.onnx")
    spec = OnnxModelDescription("64x96", "lumen,plaque", "20", "36", ["h_in:h_out"]).spec_for("folder/net.onnx")
    assert (spec.name, spec.size, spec.classes, spec.mean, spec.std) == ("net", (64, 96), ("lumen", "plaque"), (20.0,), (36.0,))
    assert [(state.input, state.output) for state in spec.states] == [("h_in", "h_out")]
