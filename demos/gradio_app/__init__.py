"""Serve the browser page of `rtseg demo`, which shows rtseg live, segments a recording, and runs a benchmark."""

import os

from rtseg.errors import MissingExtra

# Before the import of Gradio and of the Hugging Face client that it brings: each would report its use.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

try:
    import gradio as gr
except ImportError:
    raise MissingExtra("rtseg demo", "demo") from None

__all__ = ["gr"]
