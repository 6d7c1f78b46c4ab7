"""Text from outside, such as names of files and classes, made safe to show: no control characters, no credentials."""

import json
import re
from collections.abc import Callable
from typing import Any

from rtseg.text.credentials import without_credentials

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile(  # C0 but tab and newline, C1, marks of direction, separators of lines, surrogates
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return the text with a replacement character for each that controls a terminal or cannot be encoded; lines stay."""
    return _CONTROLS.sub(REPLACEMENT, text)


def safe_text(text: str) -> str:
    """Return the text as one line that may be shown: printable, and without credentials."""
    return printable(without_credentials(" ".join(text.splitlines()) if "\n" in text or "\r" in text else text))


def encodable(text: str) -> str:
    """Return the text without credentials and without halves of characters, which no UTF-8 and no strict JSON can hold."""
    return _SURROGATES.sub(REPLACEMENT, without_credentials(text))


def cleaned(values: Any, clean: Callable[[str], str] = safe_text) -> Any:
    """Return plain values whose texts, keys included, went through `clean`."""
    if isinstance(values, str):
        return clean(values)
    if isinstance(values, dict):
        return {clean(key) if isinstance(key, str) else key: cleaned(value, clean) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [cleaned(value, clean) for value in values]
    return values


def json_text(values: Any, **options: Any) -> str:
    """Return the values as JSON that every reader takes, without credentials; options: of `json.dumps`."""
    return json.dumps(cleaned(values, encodable), **options)
