"""Parses the parts of an ONNX file that must be checked before an engine opens it, without the onnx package.

Protocol Buffers, "Encoding", https://protobuf.dev/programming-guides/encoding; the field numbers are those of onnx.proto.
Only this module parses the wire format. It never reads beyond a message; the depth and the number of fields are bounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rtseg.errors import ModelError

MAX_DEPTH = 32  # of nested graphs, as in Loop, If and Scan
MAX_FIELDS = 1_000_000  # per file: each field takes about a microsecond and 200 bytes
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
_BITS = 64  # of a varint
_STANDARD_DOMAINS = ("", "ai.onnx")

Fields = dict[int, list["int | memoryview"]]  # the fields of a message by number


@dataclass(frozen=True, slots=True)
class Tensor:
    """Holds one tensor in its encoded form."""

    name: bytes
    """The name by which nodes refer to it."""
    dtype: int
    """The value of TensorProto.DataType."""
    raw: tuple[memoryview, ...]
    """The chunks of raw_data, little-endian."""
    typed: Mapping[int, tuple[memoryview, ...]]
    """The chunks of float_data (4), int32_data (5) and double_data (10), by field number."""
    external: Mapping[str, str] | None
    """The location, offset and length of external data; None for data in this file."""


@dataclass(frozen=True, slots=True)
class Node:
    """Holds one operation with the constants in its attributes."""

    op: str
    """The operator type, as in Conv; a prefix names the domain where it is not the standard one, or a function of the file."""
    inputs: tuple[bytes, ...]
    """The names of the inputs."""
    outputs: tuple[bytes, ...]
    """The names of the outputs."""
    tensors: tuple[Tensor, ...]
    """The tensors in its attributes, dense and sparse."""
    floats: tuple[memoryview, ...]
    """The float attributes, 4 bytes per value, little-endian."""


@dataclass
class OnnxFile:
    """Holds the metadata, nodes and constants of an ONNX file, including those of nested graphs and functions."""

    path: Path
    """The file, as named in errors."""
    nodes: list[Node] = field(default_factory=list)
    """The nodes of all graphs and functions."""
    tensors: list[Tensor] = field(default_factory=list)
    """The initializers, dense and sparse."""
    results: set[bytes] = field(default_factory=set)
    """The names of the values that a graph, an inner graph or a function returns."""
    metadata: list[tuple[bytes, bytes]] = field(default_factory=list)
    """The pairs of metadata_props, in the order of the file."""
    fields_read: int = 0
    """The number of protobuf fields parsed so far, at most MAX_FIELDS."""

    @classmethod
    def read(cls, path: Path) -> "OnnxFile":
        """Parse a file. Raises ModelError where it is no well-formed ONNX protobuf."""
        found = cls(path)
        try:
            found._model(memoryview(path.read_bytes()))
        except _MalformedFile as problem:
            raise ModelError(f"{path} is no ONNX model ({problem}): export it again with `rtseg export`") from None
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): name an .onnx file of yours") from None
        return found

    def _model(self, message: memoryview) -> None:
        model = self._fields(message)
        graphs = _messages(model, 7)
        if not graphs:
            raise _MalformedFile("it holds no graph")
        for graph in graphs:
            self._graph(graph, MAX_DEPTH)
        redefined = set(map(self._function, _messages(model, 25)))
        self.nodes = [replace(node, op=f"function {node.op}") if node.op in redefined else node for node in self.nodes]
        self.metadata = list(map(self._pair, _messages(model, 14)))

    def _function(self, message: memoryview) -> str:
        """Read a function, and return its operator; the default values of its attributes become constants of a node."""
        function = self._fields(message)
        for node in _messages(function, 7):
            self._node(node, MAX_DEPTH)
        self.results |= set(map(bytes, _messages(function, 5)))
        op = _operator(function, 1, 10)
        tensors, floats = self._attributes(_messages(function, 11), MAX_DEPTH)
        self.nodes.append(Node(f"function {op}", (), (), tuple(tensors), tuple(floats)))
        return op

    def _graph(self, message: memoryview, depth: int) -> None:
        if not depth:
            raise _MalformedFile(f"its graphs are nested more than {MAX_DEPTH} deep")
        graph = self._fields(message)
        for node in _messages(graph, 1):
            self._node(node, depth)
        self.tensors += [self._tensor(tensor) for tensor in _messages(graph, 5)]
        self.tensors += [self._sparse(tensor) for tensor in _messages(graph, 15)]
        self.results |= {bytes(name) for value in _messages(graph, 12) for name in _messages(self._fields(value), 1)}

    def _node(self, message: memoryview, depth: int) -> None:
        node = self._fields(message)
        tensors, floats = self._attributes(_messages(node, 5), depth)
        inputs, outputs = (tuple(map(bytes, _messages(node, number))) for number in (1, 2))
        self.nodes.append(Node(_operator(node, 4, 7), inputs, outputs, tuple(tensors), tuple(floats)))

    def _attributes(self, messages: list[memoryview], depth: int) -> tuple[list[Tensor], list[memoryview]]:
        """Return the tensors and floats of attributes, and read the graphs in them."""
        tensors, floats = list[Tensor](), list[memoryview]()
        for attribute in map(self._fields, messages):
            floats += [*_messages(attribute, 2), *_messages(attribute, 7)]
            tensors += [self._tensor(t) for t in (*_single(attribute, 5), *_messages(attribute, 10))]
            tensors += [self._sparse(t) for t in (*_single(attribute, 22), *_messages(attribute, 23))]
            for graph in (*_messages(attribute, 6), *_messages(attribute, 11)):
                self._graph(graph, depth - 1)
        return tensors, floats

    def _sparse(self, message: memoryview) -> Tensor:
        """Return the values of a sparse tensor, which carry its name."""
        (values,) = _single(self._fields(message), 1) or (memoryview(b""),)
        return self._tensor(values)

    def _tensor(self, message: memoryview) -> Tensor:
        tensor = self._fields(message)
        dtype = (_integers(tensor, 2) or [0])[-1]
        typed = {number: tuple(_messages(tensor, number)) for number in (4, 5, 10)}
        external = None
        if (_integers(tensor, 14) or [0])[-1] == 1:
            pairs = [self._pair(pair) for pair in _messages(tensor, 13)]
            external = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in pairs}
        name = b"".join(map(bytes, _messages(tensor, 8)[-1:]))
        return Tensor(name, dtype, tuple(_messages(tensor, 9)[-1:]), typed, external)

    def _pair(self, message: memoryview) -> tuple[bytes, bytes]:
        """Return the key and value of a StringStringEntryProto."""
        pair = self._fields(message)
        key, value = (b"".join(map(bytes, _messages(pair, number)[-1:])) for number in (1, 2))
        return key, value

    def _fields(self, message: memoryview) -> Fields:
        found: Fields = {}
        for number, value in _walk(message):
            found.setdefault(number, []).append(value)
            self.fields_read += 1
            if self.fields_read > MAX_FIELDS:
                raise _MalformedFile(f"it has more than {MAX_FIELDS} fields")
        return found


class _MalformedFile(Exception):
    """Signals that bytes are no ONNX protobuf; its message is the reason."""


def _walk(message: memoryview) -> Iterator[tuple[int, "int | memoryview"]]:
    """Yield the number and value of each field: an int for a varint (except field 5), else the bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, after = _varint(message, at)
            yield number, (message[at:after] if number == 5 else value)  # the bytes of int32_data are decoded together later
            at = after
            continue
        if wire == BYTES:
            size, at = _varint(message, at)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise _MalformedFile(f"its wire type {wire} does not exist")
        if size > end - at:
            raise _MalformedFile("it is cut off")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Decode a varint; return its value and the position behind it."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & ((1 << _BITS) - 1), at + place + 1
    raise _MalformedFile("it is cut off")


def _messages(fields: Fields, number: int) -> list[memoryview]:
    return [value for value in fields.get(number, ()) if isinstance(value, memoryview)]


def _integers(fields: Fields, number: int) -> list[int]:
    return [value for value in fields.get(number, ()) if isinstance(value, int)]


def _operator(fields: Fields, name: int, domain: int) -> str:
    """Return the operator of a node or a function, given the numbers of these fields; its domain stands before it."""
    op, space = (b"".join(map(bytes, _messages(fields, number)[-1:])).decode(errors="replace") for number in (name, domain))
    return op if space in _STANDARD_DOMAINS else f"{space}.{op}"


def _single(fields: Fields, number: int) -> list[memoryview]:
    """Return the only message of a field, or none; several are refused, because engines would merge them."""
    found = _messages(fields, number)
    if len(found) > 1:
        raise _MalformedFile("a value stands in it twice")
    return found
