"""`rtseg models`: lists the shipped models."""

from rtseg.cli.app import app


@app.command()
def models() -> None:
    """List the shipped models."""
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
