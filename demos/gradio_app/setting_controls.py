"""Build the controls of the settings of a live stream in Gradio."""

from typing import Any

from rtseg.demos.gradio_app import gr
from rtseg.demos.gradio_app.settings import NO_FILTER, Appearance, DemoSettings, models
from rtseg.engines.load import ENGINES
from rtseg.session.enhancement import STEP_NAMES


def setting_controls() -> "list[Any]":
    """Build the controls of the settings, in the order of the fields of `DemoSettings`."""
    usual = DemoSettings()
    with gr.Row():
        model = gr.Dropdown(models(), value=usual.model, label="model", min_width=120)
        engine = gr.Dropdown(list(ENGINES), value=usual.engine, label="engine", min_width=100)
    look = gr.Radio([look.value for look in Appearance], value=usual.appearance, label="view")
    second = gr.Dropdown(models(), value=usual.second, label="second model")
    opacity = gr.Slider(0, 1, usual.opacity, step=0.05, label="opacity", buttons=[])
    contour = gr.Slider(0, 6, usual.contour, step=1, label="contour, px", buttons=[])
    threshold = gr.Slider(0.05, 0.95, usual.threshold, step=0.05, label="threshold", buttons=[])
    smoothing = gr.Slider(0, 0.95, usual.smoothing, step=0.05, label="smoothing", buttons=[])
    speckle = gr.Dropdown([NO_FILTER, *STEP_NAMES], value=usual.speckle, label="speckle filter or enhancement")
    masks = gr.Checkbox(usual.masks, label="overlay", elem_id="rtseg-masks")
    memory = gr.Checkbox(usual.memory, label="temporal memory", elem_id="rtseg-memory")
    sector = gr.Checkbox(usual.sector, label="crop to the sector, redact its surroundings")
    return [model, engine, opacity, contour, threshold, smoothing, speckle, sector, memory, masks, look, second]
