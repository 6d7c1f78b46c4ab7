"""Provides the sources of frames; `open_source` opens one by its path or address."""

from rtseg.sources.base import Source
from rtseg.sources.open import open_source

__all__ = ["Source", "open_source"]
