"""`rtseg export`: writes a trained network as one ONNX file that every engine loads."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from rtseg.cli.app import app, console
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import ModelDescription
from rtseg.cli.options.postprocess import PostprocessOption, parse_postprocess
from rtseg.engines.base import ModelSpec
from rtseg.engines.class_postprocess import merged
from rtseg.errors import ConfigError

ARGUMENTS_HELP = """OUT is the .onnx file to write. CHECKPOINT is a file of `rtseg train`. With --size and --classes, CHECKPOINT
is a TorchScript file, or the weights of the torch module that FACTORY, a function without arguments, returns. A recurrent
module has a method initial_states(n, (H, W)) and returns logits, *states."""

MIRRORED_HELP = "Average the outputs for each frame and for its mirror image, which doubles the work and steadies the masks."


@app.command()
@grouped
def export(
    *,
    what: Annotated[list[str], typer.Argument(metavar="[MODULE:FACTORY] CHECKPOINT OUT", help=ARGUMENTS_HELP)],
    mirrored: Annotated[bool, typer.Option("--mirrored", help=MIRRORED_HELP)] = False,
    output: Annotated[
        str, typer.Option("--output", help="The name of the output that holds the mask, if it has several.")
    ] = "",
    postprocess: PostprocessOption = None,
    description: ModelDescription,
) -> None:
    """Write a network as an ONNX file with its metadata, and compare it with torch over 50 frames (extra `train`)."""
    if len(what) not in (2, 3):
        raise ConfigError(f"export takes [MODULE:FACTORY] CHECKPOINT OUT, and not {len(what)} names: see rtseg export --help")
    *sources, out = what
    spec, cleaning = description.spec_for(out), parse_postprocess(postprocess)
    from rtseg.engines.convert.export_torch import export as write

    network, spec = _load_network(sources, spec)
    if mirrored:
        network, spec = _with_mirror_image(network, spec)
    spec = replace(spec, postprocess=merged(spec.postprocess, cleaning))
    difference = write(network, spec, out, output=output)
    words = f"its outputs differ from torch's by {difference:.1e} of their variation at most over 50 frames"
    console.print(f"wrote {out}; {words}", highlight=False)


def _load_network(sources: list[str], spec: ModelSpec | None) -> tuple[Any, ModelSpec]:
    """Load a checkpoint of `rtseg train` with its own spec, or another network with the spec that the options describe."""
    *factory, checkpoint = sources
    if spec is None and not factory:
        from rtseg.train.checkpoint import load_trained

        return load_trained(checkpoint)
    if spec is None:
        raise ConfigError(f"what {factory[0]} takes is unknown: give --size and --classes, and --mean and --std")
    from rtseg.engines.convert.third_party import load_third_party_network, state_specs

    network = load_third_party_network(checkpoint, *factory, spec=spec)
    return network, replace(spec, states=state_specs(network, spec.size))


def _with_mirror_image(network: Any, spec: ModelSpec) -> tuple[Any, ModelSpec]:
    """Wrap the network so that it averages a frame and its mirror image, with separate states for both."""
    from rtseg.engines.convert.third_party import state_specs
    from rtseg.models.mirrored import FlipAveraged

    twice = FlipAveraged(network)
    return twice, replace(spec, states=state_specs(twice, spec.size))
