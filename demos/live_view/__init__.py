"""A stream that runs on this machine and is viewed from another, without Gradio."""
