"""The page's control for an upload."""

from rtseg.demos.gradio_app import gr


def upload_button(title: str, name: str) -> gr.Button:
    """Show a choice of a file, which page.js sends to our own route; return the hidden button that it presses then.

    Gradio's own upload is not used, because its events name a path, which a visitor may choose.
    """
    gr.HTML(
        f'<label class="rtseg-upload">{title}<input type="file" data-done="{name}"></label>'
        '<span class="quiet" role="status"></span>'
    )
    return gr.Button(title, elem_id=name, elem_classes="rtseg-hidden")
