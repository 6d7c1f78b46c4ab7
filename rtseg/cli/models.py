"""`rtseg models`: lists the shipped models, or shows what one file holds and how far it follows its original."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app


@app.command()
def models(
    file: Annotated[Path | None, typer.Option("--file", help="Show the certificate of this model file instead.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what --file holds as JSON.")] = False,
) -> None:
    """List the shipped models."""
    if file:
        _show_file(file, json)
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
