"""`rtseg export`: writes a trained network as one ONNX file that every engine loads."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from rtseg.cli.app import app, console
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import Description
from rtseg.engines.base import ModelSpec
from rtseg.errors import ConfigError

WHAT = """OUT is the .onnx file to write. CHECKPOINT is a file of `rtseg train`. With --size and --classes, CHECKPOINT is
a TorchScript file, or the weights of the torch module that FACTORY, a function without arguments, returns. A recurrent module
has a method initial_states(n, (H, W)) and returns logits, *states."""

MIRRORED = "Average the outputs for each frame and for its mirror image, which doubles the work and steadies the masks."


@app.command()
@grouped
def export(
    *,
    what: Annotated[list[str], typer.Argument(metavar="[MODULE:FACTORY] CHECKPOINT OUT", help=WHAT)],
    mirrored: Annotated[bool, typer.Option("--mirrored", help=MIRRORED)] = False,
    description: Description,
) -> None:
    """Write a network as an ONNX file with its metadata, and compare it with torch over 50 frames (extra `train`)."""
    if len(what) not in (2, 3):
        raise ConfigError(f"export takes [MODULE:FACTORY] CHECKPOINT OUT, and not {len(what)} names: see rtseg export --help")
    *sources, out = what
    spec = description.of(out)
    from rtseg.engines.convert.export_torch import export as write

    network, spec = _network(sources, spec)
    if mirrored:
        network, spec = _twice(network, spec)
    difference = write(network, spec, out)
    console.print(f"wrote {out}; its logits differ from torch's by {difference:.1e} at most over 50 frames", highlight=False)


def _network(sources: list[str], spec: ModelSpec | None) -> tuple[Any, ModelSpec]:
    """Load a checkpoint of `rtseg train` with its own spec, or another network with the spec that the options describe."""
    *factory, checkpoint = sources
    if spec is None and not factory:
        from rtseg.train.checkpoint import trained

        return trained(checkpoint)
    if spec is None:
        raise ConfigError(f"what {factory[0]} takes is unknown: give --size and --classes, and --mean and --std")
    from rtseg.engines.convert.third_party import foreign_network, states_of

    network = foreign_network(checkpoint, *factory, spec=spec)
    return network, replace(spec, states=states_of(network, spec.size))


def _twice(network: Any, spec: ModelSpec) -> tuple[Any, ModelSpec]:
    """Wrap the network so that it averages a frame and its mirror image, with separate states for both."""
    from rtseg.engines.convert.third_party import states_of
    from rtseg.models.mirrored import Mirrored

    twice = Mirrored(network)
    return twice, replace(spec, states=states_of(twice, spec.size))
