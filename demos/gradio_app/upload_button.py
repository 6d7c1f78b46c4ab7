"""Build the page's upload control."""

from rtseg.demos.gradio_app import gr


def upload_button(title: str, name: str) -> gr.Button:
    """Build a file input, and return the hidden button that page.js presses after the upload.

    page.js sends the file to the demo's own route. Gradio's upload is not used, because its events contain a path, which a
    visitor may choose.
    """
    gr.HTML(
        f'<label class="rtseg-upload">{title}<input type="file" data-done="{name}"></label>'
        '<span class="quiet" role="status"></span>'
    )
    return gr.Button(title, elem_id=name, elem_classes="rtseg-hidden")
