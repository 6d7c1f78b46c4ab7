"""`rtseg doctor`: what is here, and what to do about what is not."""

from rich.markup import escape
from rich.table import Table

from rtseg.cli.app import app, console
from rtseg.doctor import examine


@app.command()
def doctor() -> None:
    """Say which engines, kernels, models and extras are present, and how to get the others."""
    table = Table("", "name", "here", "what")
    for finding in examine():
        table.add_row(finding.group, finding.name, "[green]yes" if finding.present else "[yellow]no", escape(finding.detail))
    console.print(table)
