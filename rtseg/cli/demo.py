"""`rtseg demo`: rtseg in the browser."""

from typing import Annotated

import typer

from rtseg.cli.app import app, console


@app.command()
def demo(
    host: Annotated[str, typer.Option("--host", help="Where to serve; beyond this machine it needs --auth.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 7860,
    auth: Annotated[
        list[str] | None, typer.Option("--auth", envvar="RTSEG_DEMO_AUTH", help="NAME:PASSWORD, once for each who may come.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option("--source", help="A source to offer, by its URI; once for each.")] = None,
    any_address: Annotated[
        bool, typer.Option("--any-address", help="Let visitors type addresses of cameras and streams; never of files.")
    ] = False,
    visitors: Annotated[int, typer.Option("--visitors", min=1, max=64, help="Pages that may be open at once.")] = 4,
) -> None:
    """Open a page on this machine: live, on a recording, and a benchmark. Extra `demo`."""
    from rtseg.cli.threads import leave_cores
    from rtseg.demos.gradio_app.guard import check_host
    from rtseg.demos.gradio_app.server import listening, serve
    from rtseg.demos.gradio_app.sources import Sources
    from rtseg.sinks.view.server import url_of

    leave_cores()
    accounts = auth or []
    check_host(host, accounts)
    listener = listening(host, port)
    console.print(f"the demo is at {url_of(*listener.getsockname()[:2])} (Ctrl-C ends it)", highlight=False)
    serve(listener, Sources(source or (), any_address), accounts, visitors)
