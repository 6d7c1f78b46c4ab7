"""A stream that runs here and is watched from elsewhere, without Gradio."""
