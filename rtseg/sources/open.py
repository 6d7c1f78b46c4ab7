"""Opens the source that a user's address or path names."""

import os
import re
from pathlib import Path

from rtseg.errors import SourceError, require_members
from rtseg.frame import Spacing
from rtseg.plugins import SOURCES, names_with_plugins
from rtseg.sources.address import read_options
from rtseg.sources.base import Source, path_exists
from rtseg.sources.files.bundled_clips import open_clip
from rtseg.sources.files.formats import detect_format
from rtseg.sources.files.image_paths import is_image_path
from rtseg.sources.files.images import ImageFiles
from rtseg.sources.files.metaimage import open_metaimage
from rtseg.sources.files.replay import open_replay
from rtseg.sources.files.video import VideoFile
from rtseg.sources.live.camera import open_camera
from rtseg.sources.live.igtl import open_igtl
from rtseg.sources.live.network_stream import PROTOCOLS, open_network
from rtseg.sources.live.stdin import open_stdin
from rtseg.sources.pixels.nvdec import CPU, DECODE_OPTION
from rtseg.sources.plugin_source import open_plugin_source
from rtseg.sources.synthetic import open_synthetic
from rtseg.text.credentials import remember_address

KNOWN_SOURCES = (
    "a video file, a folder or glob of images, dicom:FILE, replay:FOLDER, clip:NAME, synthetic:, "
    "camera:0, rtsp://, udp://, tcp://, http://, igtl://HOST:18944/DEVICE, - for standard input"
)

_ADDRESS_REMEDY = "give a path or an address, as in 'camera:0'; frames of your own go through rtseg.PushSource"
BUILT_IN_SCHEMES = frozenset({"camera", "clip", "dicom", "igtl", "replay", "screen", "synthetic", *PROTOCOLS})
LIVE_SCHEMES = frozenset({"camera", "igtl", "screen", *PROTOCOLS})

# Two letters or more, so that C:\scan.mp4 stays a path.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(.*)", re.IGNORECASE | re.DOTALL)


def open_source(uri: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> Source:
    """Return the source that `uri` names.

    uri: a path as text or `Path`, `clip:NAME`, or `synthetic:vessel?seed=3`. fps: frames a second, and spacing_mm: pixel size
    (down, along) in mm, override the source's own values. Raises SourceError, SourceNotFound, ConfigError, WrongArgument.
    """
    if not isinstance(uri, str):
        require_members(uri, ("__fspath__",), "the address of a source", _ADDRESS_REMEDY)
        uri = os.fspath(uri)
    remember_address(uri)
    match _split(uri):
        case "clip", name:
            return open_clip(name, fps=fps, spacing_mm=spacing_mm)
        case scheme, _ if scheme in LIVE_SCHEMES or uri == "-":
            return _open_live(scheme, uri, fps, spacing_mm)
        case "synthetic", options:
            return open_synthetic(options, fps=fps, spacing_mm=spacing_mm)
        case "dicom" | "replay" as kind, where:
            return _open_format(kind, where, fps, spacing_mm)
        case "", path if detect_format(path):
            return _open_format(detect_format(path), path, fps, spacing_mm)
        case "", path if is_image_path(path):
            return ImageFiles(path, fps=fps, spacing_mm=spacing_mm)
        case "", path:
            return _open_video(path, fps, spacing_mm)
        case scheme, rest:
            return _open_plugin(scheme, rest, fps, spacing_mm)


def _open_plugin(scheme: str, rest: str, fps: float | None, spacing_mm: Spacing | None) -> Source:
    """Open the source of a plug-in. Raises SourceError where no plug-in has that scheme."""
    opened = open_plugin_source(scheme, rest, fps, spacing_mm)
    if opened is None:
        known = names_with_plugins(SOURCES, KNOWN_SOURCES)
        raise SourceError(f"{scheme}: is not a kind of source: give {known}")
    return opened


def _open_video(path: str, fps: float | None, spacing_mm: Spacing | None) -> VideoFile:
    """Open a video file, with an option as in scan.mp4#decode=gpu unless that is the file's own name."""
    file, _, fragment = path.rpartition("#")
    options = read_options(fragment, (DECODE_OPTION,)) if file and not path_exists(path) and path_exists(file) else {}
    return VideoFile(file if options else path, fps=fps, spacing_mm=spacing_mm, decode=options.get(DECODE_OPTION, CPU))


def _open_live(scheme: str, uri: str, fps: float | None, spacing_mm: Spacing | None) -> Source:
    """Open a source that delivers frames at its own pace."""
    match scheme:
        case "":
            return open_stdin(fps=fps, spacing_mm=spacing_mm)
        case "camera":
            return open_camera(uri.partition(":")[2], fps=fps, spacing_mm=spacing_mm)
        case "screen":
            from rtseg.sources.live.screen import open_screen

            return open_screen(uri.partition(":")[2], fps=fps, spacing_mm=spacing_mm)
        case "igtl":
            return open_igtl(uri, fps=fps, spacing_mm=spacing_mm)
        case _:
            return open_network(uri, fps=fps, spacing_mm=spacing_mm)


def _open_format(name: str, path: str, fps: float | None, spacing_mm: Spacing | None) -> Source:
    """Open a recording in its own file format. Raises MissingExtra where its library is not installed."""
    match name:
        case "replay":
            return open_replay(path, fps=fps, spacing_mm=spacing_mm)
        case "dicom":
            from rtseg.sources.files.dicom import open_dicom

            return open_dicom(path, fps=fps, spacing_mm=spacing_mm)
        case "nrrd":
            from rtseg.sources.files.nrrd import open_nrrd

            return open_nrrd(path, fps=fps, spacing_mm=spacing_mm)
        case "nifti":
            from rtseg.sources.files.nifti import open_nifti

            return open_nifti(path, fps=fps, spacing_mm=spacing_mm)
        case _:
            return open_metaimage(path, fps=fps, spacing_mm=spacing_mm)


def _split(uri: str) -> tuple[str, str]:
    """Return scheme and rest; the scheme is empty for a path, even one with a colon in its name."""
    found = _SCHEME.fullmatch(uri)
    if not found or path_exists(uri):
        return "", uri
    return found[1].lower(), found[2]
