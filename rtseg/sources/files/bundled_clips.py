"""Opens the clips that come with the package, so that everything can be tried without a recording."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from rtseg.errors import SourceNotFound
from rtseg.frame import Spacing, StreamInfo
from rtseg.sources.files.video import VideoFile


class BundledClip(VideoFile):
    """Plays a bundled clip, which shows ultrasound alone."""

    @property
    def info(self) -> StreamInfo:
        """Return the description of the stream."""
        return replace(super().info, only_ultrasound=True)


def open_clip(name: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> BundledClip:
    """Open a bundled clip by its name. Raises SourceNotFound."""
    clips = bundled_clips()
    if name not in clips:
        known = ", ".join(f"clip:{known}" for known in sorted(clips)) or "none in this installation"
        raise SourceNotFound(f"there is no bundled clip {name!r}: the clips are {known}")
    return BundledClip(clips[name], fps=fps, spacing_mm=spacing_mm)


def bundled_clips() -> dict[str, Path]:
    """Return the bundled clips' files by name."""
    folder = Path(str(files("rtseg.sources.files") / "clips"))
    return {path.stem: path for path in folder.glob("*.mp4")}
