"""Run a stream on this machine and view it from another, without Gradio."""
