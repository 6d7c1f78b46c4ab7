"""Open the sources that a visitor may choose; files on the server's disk are not among them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rtseg.demos.gradio_app.webcam import BrowserCamera
from rtseg.errors import SourceError
from rtseg.sources import Source, open_source
from rtseg.sources.files.bundled_clips import bundled_clips
from rtseg.sources.playback import LoopingSource, PacedSource
from rtseg.sources.synthetic import ScriptedFault, SyntheticProbe, parse_script
from rtseg.text.credentials import masked_address
from rtseg.text.safe_text import safe_text

PROBE = "synthetic probe"
UPLOAD = "an uploaded clip or still"
CAMERA = "this browser's camera"
ADDRESS = "an address (URI)"
SCHEMES = ("camera", "http", "https", "igtl", "rtsp", "rtsps", "srt", "tcp", "udp")  # allowed in addresses: none opens a file
_DEVICE = re.compile(r"(/dev/video)?\d{1,3}(\?[\w=&.-]*)?", re.ASCII)  # without this check, a camera opens any path

MAX_DEPTH = 1.5
_PHANTOM = "vessel?height=480&width=640&fps=25&seed=3"
_ENDLESS = 10**12  # frames
FAULTS: dict[str, tuple[str, int | None, float]] = {  # the buttons: kind, frames, value
    "freeze": ("freeze", 75, 0.0),
    "cut": ("cut", None, 0.0),
    "lift-off": ("lift", 50, 0.0),
    "gain": ("gain", 75, 12.0),
    "depth": ("depth", 75, MAX_DEPTH),
}


class DemoProbe(PacedSource):
    """Plays the synthetic probe at its own rate, with faults on demand."""

    def __init__(self) -> None:
        self._phantom = SyntheticProbe(parse_script(_PHANTOM), deepest=MAX_DEPTH)
        super().__init__(self._phantom)

    @property
    def faults(self) -> tuple[ScriptedFault, ...]:
        """Return the faults that have begun so far."""
        return self._phantom.events

    def inject_fault(self, fault: str) -> None:
        """Start one of FAULTS. Raises SourceError."""
        if fault not in FAULTS:
            raise SourceError(f"there is no fault {fault!r}: choose one of {', '.join(FAULTS)}")
        self._phantom.inject_fault(*FAULTS[fault])


class SourceMenu:
    """Lists and opens the sources that visitors may choose.

    own: URIs of the server's operator, shown without their credentials. any_address: visitors may type the address of a camera
    or a stream.
    """

    def __init__(self, own: Sequence[str] = (), any_address: bool = False) -> None:
        self._own, self._any_address = _titles(own), any_address

    @property
    def titles(self) -> list[str]:
        """Return the choices, as shown on the page."""
        clips = [f"clip:{name}" for name in sorted(bundled_clips())]
        return [*clips, PROBE, *self._own, UPLOAD, CAMERA, *([ADDRESS] if self._any_address else [])]

    def opener(self, title: str, address: str = "", upload: Path | None = None) -> Callable[[], Source]:
        """Return a function that opens the chosen source. Raises SourceError for a title not in `titles`."""
        if title not in self.titles:
            raise SourceError(f"there is no source {title!r} here: choose one of {', '.join(self.titles)}")
        match title:
            case _ if title == PROBE:
                return DemoProbe
            case _ if title == CAMERA:
                return BrowserCamera
            case _ if title == UPLOAD:
                return _opener_of(_require_upload(upload))
            case _ if title == ADDRESS:
                return _opener_of(_check_address(address))
            case _:
                return _opener_of(self._own.get(title, title))


def _titles(own: Sequence[str]) -> dict[str, str]:
    """Map each title to its URI: the title hides credentials, with a number added when two would be equal."""
    titled: dict[str, str] = {}
    for uri in own:
        title = plain = safe_text(masked_address(uri))
        while titled.get(title, uri) != uri:
            title = f"{plain} ({len(titled) + 1})"
        titled[title] = uri
    return titled


def _opener_of(uri: str) -> Callable[[], Source]:
    """Return a function that opens a source: a live one as it is, a recording paced and in a loop."""

    def play() -> Source:
        source = open_source(uri)
        if source.info.live:
            return source
        source.close()
        return PacedSource(LoopingSource(uri, _ENDLESS))

    return play


def require_source(source: Source | None, kind: type[Any]) -> Any:
    """Return the source if it is of the given class. Raises SourceError."""
    if not isinstance(source, kind):
        raise SourceError("this is not what plays now: choose another source, and press start")
    return source


def _require_upload(upload: Path | None) -> str:
    if upload is None:
        raise SourceError("nothing was uploaded yet: choose a file first")
    return str(upload)


def _check_address(address: str) -> str:
    """Return the address if it names a camera or a network host. Raises SourceError."""
    address = address.strip()
    scheme, _, rest = address.partition(":")
    if scheme.lower() not in SCHEMES or not (_DEVICE.fullmatch(rest) if scheme.lower() == "camera" else rest.startswith("//")):
        raise SourceError(
            f"an address begins with {', '.join(f'{scheme}:' for scheme in SCHEMES)}, "
            "and names a camera by its number or a host: files are uploaded instead"
        )
    return address
