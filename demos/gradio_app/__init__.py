"""`rtseg demo`: a page in the browser to see rtseg live, to run it on a recording, and to measure it."""

from rtseg.errors import MissingExtra

try:
    import gradio as gr
except ImportError:
    raise MissingExtra("rtseg demo", "demo") from None

__all__ = ["gr"]
