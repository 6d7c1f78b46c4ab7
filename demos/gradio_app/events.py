"""Validate the page's events before Gradio receives them.

Gradio opens and copies every file that a value names, for any component, and checks the path only after `Blocks.launch`.
So no nested value is passed on: only text, numbers, booleans and null reach Gradio. The demo takes no file from an event.
"""

import json
import re
from typing import Any, NoReturn

from rtseg.errors import ConfigError

EVENTS = frozenset({"/gradio_api/run/predict", "/gradio_api/queue/join"})
MAX_EVENT_BYTES = 1 << 16  # of an event
_MAX_VALUES, _MAX_TEXT, _MAX_NUMBER = 64, 2048, 1e9
_SESSION = re.compile(r"[A-Za-z0-9]{1,64}")


class EventRefused(ConfigError):
    """Signals that an event contains values that no control of the page sends."""


def check_event(body: bytes) -> bytes:
    """Return the event rebuilt from its session, its function and its plain values only. Raises EventRefused."""
    try:
        event = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise EventRefused("this event is no JSON: reload the page") from None
    if not isinstance(event, dict):
        raise EventRefused("this event is no JSON object: reload the page")
    values, session = event.get("data"), event.get("session_hash")
    if not isinstance(values, list) or len(values) > _MAX_VALUES or not all(_is_plain(value) for value in values):
        raise EventRefused(
            "a value of this event is not plain text, a number, true, false or null: use the page's own controls"
        )
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise EventRefused("this event names no session: reload the page")
    numbers = {name: _index(event.get(name)) for name in ("fn_index", "trigger_id")}
    if numbers["fn_index"] is None:
        raise EventRefused("this event names no function: reload the page")
    return json.dumps({"data": values, "session_hash": session, "event_data": None, **numbers}).encode()


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT
    if isinstance(value, (int, float)):
        return abs(value) <= _MAX_NUMBER
    return value is None


def _index(value: Any) -> int | None:
    """Return the value if it is None or a valid function index. Raises EventRefused."""
    if value is None or (type(value) is int and 0 <= value < 1 << 31):
        return value
    raise EventRefused("this event names no function of the page: reload it")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
