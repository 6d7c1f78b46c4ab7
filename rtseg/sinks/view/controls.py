"""Carry out what a viewer's page asks for by POST."""

from rtseg.errors import ConfigError
from rtseg.sinks.view.pointer_event import parse_forgotten_name, parse_pointer_event
from rtseg.sinks.view.viewer_prompts import ViewerPrompts

CONTROLS = ("prompt", "forget", "undo")


def control(prompts: ViewerPrompts, name: str, body: bytes) -> None:
    """Carry out one of CONTROLS with its JSON body, see `PointerEvent`; "undo" takes no values. Raises ConfigError."""
    if name == "prompt":
        prompts.point(parse_pointer_event(body))
    elif name == "forget":
        prompts.forget(parse_forgotten_name(body))
    elif name == "undo":
        prompts.undo()
    else:
        raise ConfigError(f"there is no control {name!r:.80}: give one of {', '.join(CONTROLS)}")
