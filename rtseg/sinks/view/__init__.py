"""Show the live view in a browser: a web server, its page, and the images that it broadcasts."""

from rtseg.sinks.view.sink import ViewSink

__all__ = ["ViewSink"]
