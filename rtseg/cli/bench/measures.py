"""`rtseg bench measures`: measures the beats, volumes and diameters of phantoms, and the cost of the measures of the models."""

from contextlib import closing
from typing import Annotated, Any

import typer
from rich.progress import track

from rtseg.bench.measures.measuring_cost import measuring_cost
from rtseg.bench.measures.phantom_beats import DROPPED, FPS, SECONDS, run_phantom, summarize_runs
from rtseg.cli.app import console
from rtseg.cli.options.model import JsonOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.errors import ConfigError
from rtseg.output.atomic_file import write_atomically
from rtseg.text.safe_text import json_text

_COST = "carotid=clip:carotid"
_SPACING_MM = 0.1


def measures(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="The number of phantoms of each kind.")] = 40,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="The seed of the first phantom.")] = 0,
    cost: Annotated[
        list[str] | None,
        typer.Option("--cost", help=f"MODEL=SOURCE on which the cost is measured, as {_COST}; once for each."),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=10, help="The frames on which the cost is measured.")] = 150,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
) -> None:
    """Measure beats, ejection fractions and diameters on phantoms with exact truth, and the cost of each model's measures."""
    prepare_outputs(mode, json)
    if not all("=" in one for one in cost or ()):
        raise ConfigError(f"--cost takes MODEL=SOURCE, as {_COST}")
    told: dict[str, Any] = {"seeds": [first_seed, first_seed + seeds - 1], "fps": FPS, "seconds": SECONDS, "dropped": DROPPED}
    for kind in ("heart", "vessel"):
        chosen = track(range(first_seed, first_seed + seeds), kind, console=console, transient=True)
        told[kind] = summarize_runs([run_phantom(kind, seed) for seed in chosen])
    told["cost"] = {}
    for one in cost or (_COST,):
        model, _, source = one.partition("=")
        with closing(load(model, "openvino", 1)) as network:
            told["cost"][model] = measuring_cost(network, source, _SPACING_MM, frames, None)
    console.print_json(json_text(told))
    if json:
        write_atomically(json, (json_text(told, indent=1) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)
