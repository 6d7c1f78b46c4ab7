"""Where frames come from."""

from rtseg.sources.base import Source
from rtseg.sources.open import open_source

__all__ = ["Source", "open_source"]
