"""Stores a few pictures in a model's metadata, on which a faster variant of it must agree with the plain one.

They are the network's own kind of picture, at its own size, and go wherever the model file goes: `rtseg calibrate` stores them
only where the user asks for it.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from rtseg.errors import ModelError
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox

PICTURES_KEY = "rtseg.pictures"  # in the ONNX file's metadata_props: a JSON list of PNG files in base64
MAX_PICTURES = 16
_PNG_SIZE = slice(16, 24)  # width and height, 4 bytes each (PNG specification, 11.2.2: IHDR comes first)
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def reduced_picture(picture: Image, size: tuple[int, int]) -> Image:
    """Return a picture (H, W) or (H, W, 3) that just fits into a network's input (H, W), never enlarged."""
    _, _, height, width = letterbox((0, 0, *picture.shape[:2]), size).inner
    if height >= picture.shape[0]:
        return picture
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def coded_pictures(pictures: Sequence[Image]) -> str:
    """Return pictures (H, W) or (H, W, 3) RGB as metadata. Raises ModelError for more than MAX_PICTURES."""
    if len(pictures) > MAX_PICTURES:
        raise ModelError(f"{len(pictures)} pictures are too many to store in a model: give at most {MAX_PICTURES}")
    return json.dumps([b64encode(cv2.imencode(".png", _swapped(one))[1].tobytes()).decode() for one in pictures])


def stored_pictures(metadata: Mapping[str, str], size: tuple[int, int]) -> list[Image]:
    """Return the pictures in a model's metadata, in order; none where they are damaged or larger than the input (H, W)."""
    try:
        coded = [b64decode(one, validate=True) for one in json.loads(metadata.get(PICTURES_KEY, "[]"))][:MAX_PICTURES]
    except (ValueError, TypeError, RecursionError):
        return []
    found = [_decoded(one, size) for one in coded]
    return [] if any(one is None for one in found) else [one for one in found if one is not None]


def _decoded(coded: bytes, size: tuple[int, int]) -> Image | None:
    if not coded.startswith(_PNG_MAGIC) or len(coded) < _PNG_SIZE.stop:
        return None
    width, height = np.frombuffer(coded[_PNG_SIZE], ">u4")
    if not 0 < height <= size[0] or not 0 < width <= size[1]:
        return None
    pixels = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
        return None
    return _swapped(np.asarray(pixels, np.uint8))


def _swapped(picture: Image) -> Image:
    """Return RGB as BGR, or the reverse; gray stays."""
    return picture if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, ::-1])
