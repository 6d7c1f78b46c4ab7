"""From the words a user names a source by to the source."""

import re

from rtseg.errors import SourceError
from rtseg.frame import Spacing
from rtseg.sources.base import Source, is_there
from rtseg.sources.clip import open_clip
from rtseg.sources.images import ImageFiles, is_images
from rtseg.sources.synthetic import open_synthetic
from rtseg.sources.video import VideoFile

KNOWN = "a video file, a folder or glob of images, clip:NAME, synthetic:"

# Two letters or more, so that C:\scan.mp4 stays a path.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(.*)", re.IGNORECASE | re.DOTALL)


def open_source(uri: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> Source:
    """The source that `uri` names.

    uri: a path, `clip:NAME`, or `synthetic:vessel?seed=3`. fps, spacing_mm: override what the source itself knows.
    Raises SourceError, SourceNotFound, ConfigError.
    """
    match _split(uri):
        case "clip", name:
            return open_clip(name, fps=fps, spacing_mm=spacing_mm)
        case "synthetic", options:
            return open_synthetic(options, fps=fps, spacing_mm=spacing_mm)
        case "", path if is_images(path):
            return ImageFiles(path, fps=fps, spacing_mm=spacing_mm)
        case "", path:
            return VideoFile(path, fps=fps, spacing_mm=spacing_mm)
        case scheme, _:
            raise SourceError(f"{scheme}: is not a kind of source: give {KNOWN}")


def _split(uri: str) -> tuple[str, str]:
    """Scheme and rest; no scheme for a path, even one with a colon in it."""
    found = _SCHEME.fullmatch(uri)
    if not found or is_there(uri):
        return "", uri
    return found[1].lower(), found[2]
