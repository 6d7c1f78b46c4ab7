"""Lists what each kind of source can do on this machine, for `rtseg doctor`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.error import FFmpegError, ProtocolNotFoundError

from rtseg.sources.files.bundled_clips import bundled_clips
from rtseg.sources.live.network_stream import PROTOCOLS
from rtseg.sources.live.v4l2 import BUFFERS, devices
from rtseg.sources.pixels.nvdec import unavailable_reason
from rtseg.sources.pixels.pixel_formats import FOURCC
from rtseg.system.machine import installed_version


@dataclass(frozen=True, slots=True)
class Capability:
    """Describes one kind of source."""

    name: str  # the scheme of its addresses, or a file format
    present: bool  # true if it can be used on this machine
    detail: str  # what it provides, or what is missing


def capabilities() -> Iterator[Capability]:
    """Yield every kind of source that `open_source` accepts, in the order of `KNOWN_SOURCES`."""
    yield Capability("files", True, f"video by FFmpeg {av.ffmpeg_version_info}; images; played in full")
    yield _gpu_decoder()
    yield Capability("clip:", bool(bundled_clips()), ", ".join(sorted(bundled_clips())) or "none: reinstall rtseg")
    yield Capability("synthetic:", True, "a made-up probe, with the truth beside it")
    yield _camera()
    yield from map(_network, PROTOCOLS)
    yield Capability("- (stdin)", True, "Matroska, NUT, MPEG-TS, y4m on a pipe: live; from a file: played in full")
    yield Capability("igtl://", True, "live, reconnects; timestamp, spacing, matrix, transforms")
    yield _extra("screen:", "mss", "screen", "live; a region of the screen")
    yield Capability("replay:", True, "what --record wrote, with its timing")
    yield Capability("mha, mhd", True, "sequences of PLUS, with timestamps and transforms; played in full")
    yield _extra("nrrd", "pynrrd", "volumes", "played in full")
    yield _extra("nifti", "nibabel", "volumes", "sequences, in 8 bits; played in full")
    yield _extra("dicom:", "pydicom", "dicom", "frame time and spacing, also of a folder; played in full")


def _gpu_decoder() -> Capability:
    problem = unavailable_reason()
    return Capability("#decode=gpu", not problem, problem or "NVDEC, of a file or a network's stream; into host memory")


def _camera() -> Capability:
    formats = ", ".join(FOURCC)
    if sys.platform != "linux":
        return Capability("camera:", True, f"live, reconnects; {formats}; by FFmpeg's device")
    there = ", ".join(map(str, devices()))
    detail = f"live, reconnects; {formats}; {BUFFERS} buffers, kernel timestamps"
    return Capability("camera:", bool(there), f"{there}: {detail}" if there else "no /dev/video*: plug a grabber in")


def _network(scheme: str) -> Capability:
    protocol = PROTOCOLS[scheme]
    options = " ".join(f"{name}={value}" for name, value in protocol.options.items())
    if scheme == "srt" and not _knows_srt():
        return Capability("srt://", False, "not in PyAV's FFmpeg: `ffmpeg -i srt://HOST:PORT -f nut - | rtseg run -`")
    waits = f"time-outs {protocol.open_s:g} s to open, {protocol.read_s:g} s to read"
    return Capability(f"{scheme}://", True, f"live, reconnects; low_delay, no frame threads; {options}; {waits}")


def _knows_srt() -> bool:
    try:
        av.open("srt://127.0.0.1:9", timeout=0.05, metadata_errors="replace").close()
    except ProtocolNotFoundError:
        return False
    except (FFmpegError, OSError):
        pass  # nothing listens there, but the protocol is known
    return True


def _extra(name: str, package: str, extra: str, detail: str) -> Capability:
    there = bool(installed_version(package))
    return Capability(name, there, detail if there else f"lacks {package}: pip install 'rtseg[{extra}]'")
