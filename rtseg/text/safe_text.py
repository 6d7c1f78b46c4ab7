"""Make text from outside, such as names of files and classes, safe to show: no control characters, no credentials."""

import json
import re
from collections.abc import Callable
from typing import Any

from rtseg.text.credentials import without_credentials

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile(  # C0 except tab and newline, C1, direction marks, line separators, surrogates
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return the text with control characters and surrogates replaced; newlines and tabs stay."""
    return _CONTROLS.sub(REPLACEMENT, text)


def safe_text(text: str) -> str:
    """Return the text as one printable line without credentials."""
    return printable(without_credentials(" ".join(text.splitlines()) if "\n" in text or "\r" in text else text))


def encodable(text: str) -> str:
    """Return the text without credentials and without surrogates, which neither UTF-8 nor strict JSON can hold."""
    return _SURROGATES.sub(REPLACEMENT, without_credentials(text))


def clean_values(values: Any, clean: Callable[[str], str] = safe_text) -> Any:
    """Apply `clean` to every text in plain values, keys included, and return the result."""
    if isinstance(values, str):
        return clean(values)
    if isinstance(values, dict):
        return {clean(key) if isinstance(key, str) else key: clean_values(value, clean) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [clean_values(value, clean) for value in values]
    return values


def json_text(values: Any, **options: Any) -> str:
    """Return the values as strict JSON without credentials; options: those of `json.dumps`."""
    return json.dumps(clean_values(values, encodable), **options)
