"""Selects decoding on an NVIDIA GPU (NVDEC), or on the CPU with a reason in the log.

A decoded picture is copied to host memory, and uploaded again like any other frame.
"""

from av import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.video.stream import VideoStream

from rtseg.errors import ConfigError
from rtseg.text.log_records import get_logger

CPU, GPU = "cpu", "gpu"  # values of `decode=` in an address
DECODE_OPTION = "decode"

_DEVICE = "cuda"

_log = get_logger(__name__)


def hardware_accelerator(decode: str, name: str) -> HWAccel | None:
    """Return the decoder for `decode=gpu`; None for the CPU, and where there is no GPU, which is logged.

    name: the stream's, for the log. Raises ConfigError.
    """
    if decode not in (CPU, GPU):
        raise ConfigError(f"pictures cannot be decoded on {decode!r}: give decode=cpu or decode=gpu")
    if decode == CPU:
        return None
    if problem := unavailable_reason():
        _log.warning("%s is decoded on the CPU: %s", name, problem)
        return None
    return HWAccel(device_type=_DEVICE, allow_software_fallback=True)


def unavailable_reason() -> str:
    """Return why no GPU can decode here, or "": FFmpeg's own fallback is for streams, not for an absent GPU."""
    if _DEVICE not in hwdevices_available():
        return "the FFmpeg inside PyAV was built without NVDEC: install PyAV from PyPI"
    try:
        HWAccel(device_type=_DEVICE).create(Codec("h264", "r"))
    except (FFmpegError, RuntimeError) as error:
        return f"no GPU's decoder can be opened ({error}): install NVIDIA's driver, or leave decode=gpu out"
    return ""


def is_decoded_by_gpu(stream: VideoStream, wanted: HWAccel | None, name: str) -> bool:
    """Return whether a GPU decodes the stream; log a requested GPU that does not support its codec or pixels."""
    taken = wanted is not None and stream.codec_context.is_hwaccel
    if wanted and not taken:
        _log.warning("%s is decoded on the CPU: the GPU's decoder does not take its %s", name, stream.codec_context.name)
    return taken
