"""Mutate valid inputs; the same seed, reader and number give the same input."""

import gzip
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import onnx
from igtl.peers import HEADER_BYTES

from rtseg.igtl.crc import crc64

_NUMBERS = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
_ODD_NUMBERS = [b"0", b"-1", b"1", b"3", b"255", b"65536", b"4294967295", b"99999999999999999999", b"1e400", b"nan", b"0.0"]
_ODD_WORDS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
_ODD_FLOATS = [0.0, -0.0, 1e-45, 3e38, -3e38, float("inf"), float("nan")]
_OPERATORS = ["Relu", "Tanh", "Exp", "Sqrt", "Neg", "Softmax", "Identity", "NoSuchOperator"]
_PAYLOAD_SHARE = 0.4  # of the inputs that change bytes: only pixels are changed
_HEAD = 512  # bytes of the header of most formats
_GZIP = b"\x1f\x8b"
_PNG = b"\x89PNG\r\n\x1a\n"


class Mutator:
    """Mutates valid inputs. seed: of all random choices."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def write(self, reader: str, number: int, seeds: list[Path], folder: Path) -> Path:
        """Write input `number` of a reader into an empty folder, and return the path to open."""
        rng = np.random.default_rng([self._seed, zlib.crc32(reader.encode()), number])
        seed = seeds[number % len(seeds)]
        target = folder / seed.name
        if seed.is_dir():
            shutil.copytree(seed, target)
            changed = sorted(target.iterdir())
            path = changed[int(rng.integers(len(changed)))]
        else:
            path = target
        path.write_bytes(_mutated(rng, reader, (seed / path.name if seed.is_dir() else seed).read_bytes()))
        return target


def _mutated(rng: np.random.Generator, reader: str, data: bytes) -> bytes:
    if data.startswith(_GZIP) and rng.random() < 0.7:
        return gzip.compress(_changed(rng, gzip.decompress(data)), 1, mtime=0)
    if reader == "onnx" and rng.random() < 0.8:
        return _changed_network(rng, data)
    if reader.startswith("igtl"):
        return _changed_messages(rng, data)
    if data.startswith(_PNG) and rng.random() < 0.5:
        return _changed_png(rng, data)
    changed = _changed(rng, data)
    return _with_checksums(changed) if changed.startswith(_PNG) and rng.random() < 0.7 else changed


def _changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Apply some changes; in most cases after the header, so that readers get past it."""
    made = bytearray(data)
    if rng.random() < _PAYLOAD_SHARE:
        return _with_other_payload(rng, made)
    behind = bool(rng.random() < 0.5)
    for _ in range(int(rng.integers(1, 5))):
        if not made:
            break
        _change(rng, made, behind)
    return bytes(made)


def _with_other_payload(rng: np.random.Generator, data: bytearray) -> bytes:
    """Overwrite a few bytes in the first half behind the header, where most formats keep their pixels; the length stays."""
    first, last = len(data) // 4, max(len(data) // 4 + 1, len(data) * 5 // 8)
    for _ in range(int(rng.integers(1, 4)) if data else 0):
        data[int(rng.integers(first, last))] = int(rng.integers(256))
    return bytes(data)


def _change(rng: np.random.Generator, data: bytearray, behind: bool) -> None:
    first = min(_HEAD, len(data) // 2) if behind else 0
    last = len(data) if behind or rng.random() < 0.4 else min(_HEAD, len(data))
    at = int(rng.integers(first, max(first + 1, last)))
    match int(rng.integers(9)):
        case 0 | 1:
            data[at] ^= 1 << int(rng.integers(8))
        case 2:
            data[at] = int(rng.choice([0, 1, 127, 128, 255]))
        case 3:
            form, most = [("<H", 0xFFFF), (">H", 0xFFFF), ("<I", 0xFFFFFFFF), (">I", 0xFFFFFFFF)][int(rng.integers(4))]
            value = struct.pack(form, _ODD_WORDS[int(rng.integers(len(_ODD_WORDS)))] & most)
            data[at : at + len(value)] = value
        case 4:
            del data[at : at + int(rng.integers(1, 64))]
        case 5:
            data[at:at] = rng.bytes(int(rng.integers(1, 64)))
        case 6:
            source = int(rng.integers(len(data)))
            piece = bytes(data[source : source + int(rng.integers(1, 256))])
            data[at : at + len(piece)] = piece
        case 7:
            _change_number(rng, data)
        case 8:
            del data[max(1, int(len(data) * rng.uniform(0.1, 1))) :]


def _change_number(rng: np.random.Generator, data: bytearray) -> None:
    """Replace a number that is written as text by another."""
    if found := list(_NUMBERS.finditer(bytes(data[: 4 * _HEAD]))):
        chosen = found[int(rng.integers(len(found)))]
        data[chosen.start() : chosen.end()] = _ODD_NUMBERS[int(rng.integers(len(_ODD_NUMBERS)))]


def _changed_messages(rng: np.random.Generator, data: bytes) -> bytes:
    """Change one OpenIGTLink message, mostly with a valid length and checksum."""
    messages = []
    while data:
        size = HEADER_BYTES + int.from_bytes(data[42:50], "big")
        messages.append(data[:size])
        data = data[size:]
    at = int(rng.integers(len(messages)))
    changed = _changed(rng, messages[at])
    messages[at] = _with_checksum(changed) if len(changed) >= HEADER_BYTES and rng.random() < 0.7 else changed
    return b"".join(messages)


def _changed_network(rng: np.random.Generator, data: bytes) -> bytes:
    """Change one part of an ONNX file that still parses."""
    model = onnx.load_from_string(data)
    graph = model.graph
    match int(rng.integers(11)):
        case 0 if graph.initializer:
            weights = graph.initializer[int(rng.integers(len(graph.initializer)))]
            weights.raw_data = _changed(rng, weights.raw_data)
        case 7 | 8 | 9 | 10 if graph.initializer:
            weights = graph.initializer[int(rng.integers(len(graph.initializer)))]
            weights.raw_data = _with_other_payload(rng, bytearray(weights.raw_data))
        case 1 if graph.initializer:
            weights = graph.initializer[int(rng.integers(len(graph.initializer)))]
            raw = bytearray(weights.raw_data)
            at = 4 * int(rng.integers(len(raw) // 4))
            raw[at : at + 4] = struct.pack("<f", _ODD_FLOATS[int(rng.integers(len(_ODD_FLOATS)))])
            weights.raw_data = bytes(raw)
        case 2:
            ports = [*graph.input, *graph.output]
            dims = ports[int(rng.integers(len(ports)))].type.tensor_type.shape.dim
            dims[int(rng.integers(len(dims)))].dim_value = int(rng.choice([0, 1, 2, 3, 64, 1 << 20, -1]))
        case 3:
            node = graph.node[int(rng.integers(len(graph.node)))]
            if node.attribute and (numbers := node.attribute[0].ints):
                numbers[int(rng.integers(len(numbers)))] = int(rng.choice([0, -1, 1, 3, 7, 1 << 20]))
            node.op_type = _OPERATORS[int(rng.integers(len(_OPERATORS)))] if rng.random() < 0.5 else node.op_type
        case 4:
            model.opset_import[0].version = int(rng.choice([0, 1, 9, 13, 18, 999]))
        case _:
            changed = _changed(rng, model.metadata_props[0].value.encode())
            model.metadata_props[0].value = changed.decode("utf-8", "replace")
    return model.SerializeToString()


def _with_checksum(message: bytes) -> bytes:
    body = message[HEADER_BYTES:]
    return message[:42] + struct.pack(">QQ", len(body), crc64(body)) + body


def _changed_png(rng: np.random.Generator, data: bytes) -> bytes:
    """Change the pixels of a PNG before they are compressed."""
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at], "big")
    try:
        pixels = zlib.compress(_changed(rng, zlib.decompress(data[at + 4 : at + 4 + size])))
    except zlib.error:  # the data continues in another chunk
        return _with_checksums(_changed(rng, data))
    return _with_checksums(data[: at - 4] + len(pixels).to_bytes(4, "big") + b"IDAT" + pixels + data[at + 4 + size :])


def _with_checksums(png: bytes) -> bytes:
    """Recompute the checksums of a PNG's chunks, as far as their lengths lead."""
    made, at = bytearray(png), len(_PNG)
    while at + 12 <= len(made):
        end = at + 8 + int.from_bytes(made[at : at + 4], "big")
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(made)
