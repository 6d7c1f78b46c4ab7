"""Decoding on an NVIDIA GPU (NVDEC), where FFmpeg knows how and there is one; else on the CPU, with a word of why.

What it decodes comes back into host memory, from where a frame goes up again as any other does.
"""

import logging

from av import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.video.stream import VideoStream

from rtseg.errors import ConfigError

CPU, GPU = "cpu", "gpu"  # what `decode=` may be in an address
OPTION = "decode"

_DEVICE = "cuda"

_log = logging.getLogger(__name__)


def accelerator(decode: str, name: str) -> HWAccel | None:
    """What decodes a stream with `decode=gpu`; None for the CPU, and where there is no GPU, which is logged.

    name: the stream's, for the log. Raises ConfigError.
    """
    if decode not in (CPU, GPU):
        raise ConfigError(f"pictures cannot be decoded on {decode!r}: give decode=cpu or decode=gpu")
    if decode == CPU:
        return None
    if problem := missing():
        _log.warning("%s is decoded on the CPU: %s", name, problem)
        return None
    return HWAccel(device_type=_DEVICE, allow_software_fallback=True)


def missing() -> str:
    """Why no GPU can decode here, in words, or nothing: FFmpeg's own fallback is for streams, not for a GPU that is absent."""
    if _DEVICE not in hwdevices_available():
        return "the FFmpeg inside PyAV was built without NVDEC: install PyAV from PyPI"
    try:
        HWAccel(device_type=_DEVICE).create(Codec("h264", "r"))
    except (FFmpegError, RuntimeError) as error:
        return f"no GPU's decoder can be opened ({error}): install NVIDIA's driver, or leave decode=gpu out"
    return ""


def check_taken(stream: VideoStream, wanted: HWAccel | None, name: str) -> bool:
    """Whether a GPU decodes the stream; it is logged where one that was wanted does not know its codec or its pixels."""
    taken = wanted is not None and stream.codec_context.is_hwaccel
    if wanted and not taken:
        _log.warning("%s is decoded on the CPU: the GPU's decoder does not take its %s", name, stream.codec_context.name)
    return taken
