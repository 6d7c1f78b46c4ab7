"""Segment a source on a headless machine, such as a Jetson beside the scanner, and view it in another machine's browser.

python -m rtseg.demos.live_view [SOURCE] [HOST:PORT]        the same as: rtseg run SOURCE --view --view-at HOST:PORT

From a laptop, `ssh -L 8000:127.0.0.1:8000 jetson` forwards the page without opening it to the network.
"""

import sys

import rtseg
from rtseg.sinks.view.sink import ViewSink
from rtseg.sources.playback import PacedSource


def main(uri: str = "synthetic:vessel?fps=25", where: str = "127.0.0.1:8000") -> None:
    """Play the source at its own rate until it ends, or until Ctrl-C."""
    host, _, port = where.rpartition(":")
    engine = rtseg.load_engine("carotid-int8")
    source = rtseg.open_source(uri)
    live = source if source.info.live else PacedSource(source)
    sink = ViewSink(host=host, port=int(port), on_ready=lambda url: print(f"watch it at {url}", flush=True))
    session = rtseg.Session(engine)
    try:
        rtseg.Pipeline(live, session, sink).run()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
