"""`rtseg models`: lists the shipped models, or shows what one file holds and how far it follows its original."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app


@app.command()
def models(
    file: Annotated[Path | None, typer.Option("--file", help="Show the certificate of this model file instead.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the list, or what --file holds, as JSON.")] = False,
) -> None:
    """List the shipped models."""
    if file:
        _show_file(file, json)
        return
    if json:
        _print_models()
        return
    from rich.table import Table

    from rtseg.cli.console import console
    from rtseg.engines.load import load_engine
    from rtseg.engines.zoo import shipped_models

    table = Table("model", "classes", "input", "memory", "size", "file")
    for name, path in shipped_models().items():
        spec = load_engine(name).spec
        size = f"{path.stat().st_size / 1e6:.1f} MB"
        memory = "recurrent" if spec.states else "none"
        table.add_row(name, ", ".join(spec.classes), f"{spec.size[0]}x{spec.size[1]}", memory, size, str(path))
    console.print(table)


def _print_models() -> None:
    """Print the name, classes with codes, Dice on unseen subjects, size and cost of each shipped model as JSON."""
    from rtseg.engines.load import load_engine
    from rtseg.engines.openvino import read_network
    from rtseg.engines.profile import count_macs
    from rtseg.engines.zoo import measured_dice, shipped_models

    rows = []
    for name, path in shipped_models().items():
        gmac = round(count_macs(read_network(path)) / 1e9, 4)
        measured = {"dice": None, "int8_dice": None} | measured_dice(name)
        spec = load_engine(name).spec
        terms = {"codes": dict(zip(spec.classes, spec.codes, strict=False)), "measures": list(spec.measures)}
        classes = list(spec.classes)
        rows.append({"name": name, "classes": classes, **terms, **measured, "bytes": path.stat().st_size, "gmac": gmac})
    typer.echo(json_module.dumps(rows, indent=1))


def _show_file(file: Path, as_json: bool) -> None:
    from rtseg.cli.console import console
    from rtseg.engines.adopt.adoption import read_record
    from rtseg.engines.load import model_path
    from rtseg.engines.validation.examination import examine

    path = model_path(file)
    examine(path, "adopt")
    record, certificate = read_record(path)
    if as_json:
        typer.echo(json_module.dumps(record, indent=1))
    elif certificate:
        from rtseg.cli.adopt import show_certificate

        show_certificate(certificate)
    else:
        console.print(f"{path} was not adopted and has no certificate: {record['summary']}", highlight=False, markup=False)
