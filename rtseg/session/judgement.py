"""Defines what the classification of a frame yields."""

from typing import NamedTuple

from rtseg.frame import Life


class Judgement(NamedTuple):
    """States what a frame means for the memory of earlier frames."""

    life: Life
    """State of the frame."""
    reason: str
    """Reason for the state, in words; "" where the stream simply goes on."""
