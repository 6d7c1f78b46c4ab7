"""Serve the browser page of `rtseg demo`, which shows rtseg live, segments a recording, and runs a benchmark."""

from rtseg.errors import MissingExtra

try:
    import gradio as gr
except ImportError:
    raise MissingExtra("rtseg demo", "demo") from None

__all__ = ["gr"]
