"""`rtseg demo`: serves the interactive demo to a browser."""

from typing import Annotated

import typer

from rtseg.cli.app import app, console


@app.command()
def demo(
    host: Annotated[
        str, typer.Option("--host", help="The address to listen at; any but this machine's own needs --auth.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen at; 0 takes any free port.")] = 7860,
    auth: Annotated[
        list[str] | None,
        typer.Option(
            "--auth", envvar="RTSEG_DEMO_AUTH", help="NAME:PASSWORD of an account; give the option once for each account."
        ),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="The URI of a source to offer; give the option once for each source.")
    ] = None,
    any_address: Annotated[
        bool, typer.Option("--any-address", help="Let visitors enter addresses of cameras and streams, but never of files.")
    ] = False,
    visitors: Annotated[int, typer.Option("--visitors", min=1, max=64, help="The most pages that may be open at once.")] = 4,
) -> None:
    """Serve a web page for live sources, recordings and a benchmark (extra `demo`)."""
    from rtseg.cli.threads import limit_threads
    from rtseg.demos.gradio_app.guard import check_host
    from rtseg.demos.gradio_app.server import open_listener, serve
    from rtseg.demos.gradio_app.sources import SourceMenu
    from rtseg.sinks.view.server_address import server_url

    limit_threads()
    accounts = auth or []
    check_host(host, accounts)
    listener = open_listener(host, port)
    console.print(f"the demo is at {server_url(*listener.getsockname()[:2])} (Ctrl-C ends it)", highlight=False)
    serve(listener, SourceMenu(source or (), any_address), accounts, visitors)
