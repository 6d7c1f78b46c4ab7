"""Stores TensorRT plans as files: a plan runs only on the machine type it was built for, so a file records that and the spec.

A file is a magic word, one line of JSON, and the plan. The cache holds plans that passed the gate, by their tag.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path

from rtseg.engines.base import ModelSpec
from rtseg.errors import ModelError, described
from rtseg.output.atomic_file import atomic_path
from rtseg.system.cache_folder import cache_folder
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

MAGIC = b"rtseg plan "
BUILD_VERSION = 2  # version of rtseg's build settings: a plan of another version is built again
REBUILD = "build it again with `rtseg build`"


@dataclass(frozen=True, slots=True)
class PlanTag:
    """Identifies a plan by its model and by the machine that it was built for."""

    model: str
    """SHA-256 of the ONNX file."""
    tensorrt: str
    """The version of TensorRT."""
    gpu: str
    """The name of the GPU."""
    sm: str
    """The GPU's compute capability, as in sm_87."""
    sm_count: int
    """The number of the GPU's multiprocessors: each Jetson Orin calls itself "Orin"."""
    memory_gib: int
    """The GPU's memory, rounded to GiB."""
    driver: str
    """The CUDA version of the driver."""
    precision: str
    """fp32, fp16 or int8."""
    device: str
    """gpu or dla."""
    build: int = BUILD_VERSION
    """The version of rtseg's build settings."""

    def describe_difference(self, other: "PlanTag") -> str:
        """Describe the fields in which two tags differ; return "" where they are equal."""
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]
        return ", ".join(f"{name} {getattr(self, name)!r} and not {getattr(other, name)!r}" for name in names)


@dataclass(frozen=True, slots=True)
class PlanFile:
    """Holds a plan with its tag and spec."""

    tag: PlanTag
    """The plan's model and machine."""
    spec: ModelSpec
    """The network's description."""
    plan: bytes
    """The plan as serialized by TensorRT."""

    def write(self, path: Path) -> None:
        """Write the file atomically, even while other processes write the same file."""
        head = {"tag": asdict(self.tag), "spec": self.spec.to_json(), "sha256": sha256(self.plan).hexdigest()}
        with atomic_path(path, f".{path.name}-") as part:
            part.write_bytes(MAGIC + json.dumps(head).encode() + b"\n" + self.plan)

    @classmethod
    def read(cls, path: Path) -> "PlanFile":
        """Read and check a file of `write`. Raises ModelError."""
        content = path.read_bytes()
        if not content.startswith(MAGIC):
            raise ModelError(f"{path} is no plan of rtseg: {REBUILD}, from the .onnx file")
        line, _, plan = content[len(MAGIC) :].partition(b"\n")
        try:
            head = json.loads(line)
            tag, spec, digest = PlanTag(**head["tag"]), ModelSpec.from_json(head["spec"]), head["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the head of {path} cannot be read ({described(error)}): {REBUILD}") from None
        if sha256(plan).hexdigest() != digest:
            raise ModelError(f"{path} is damaged: {REBUILD}")
        return cls(tag, spec, plan)


class PlanCache:
    """Stores this machine's plans in a folder: by default $RTSEG_CACHE/plans, else rtseg/plans in the user's cache folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "plans"

    def path(self, tag: PlanTag) -> Path:
        """Return the path of the plan with this tag, which need not exist."""
        digest = sha256(json.dumps(asdict(tag), sort_keys=True).encode()).hexdigest()
        return self.folder / f"{tag.model[:12]}-{tag.precision}-{digest[:12]}.plan"

    def find(self, tag: PlanTag) -> PlanFile | None:
        """Return the plan with this tag, or None; a damaged or mismatched file is deleted, with a warning in the log."""
        path = self.path(tag)
        if not path.is_file():
            return None
        try:
            found = PlanFile.read(path)
            problem = found.tag.describe_difference(tag)
        except ModelError as error:
            problem = str(error)
        if not problem:
            return found
        self.drop(tag, problem)
        return None

    def drop(self, tag: PlanTag, reason: str) -> None:
        """Delete a plan, and log the reason."""
        _log.warning("the plan %s is dropped: %s", self.path(tag), reason)
        self.path(tag).unlink(missing_ok=True)

    def store(self, found: PlanFile) -> Path:
        """Store an accepted plan, and return its path."""
        found.write(self.path(found.tag))
        return self.path(found.tag)

    def timing(self, tag: PlanTag) -> Path:
        """Return the path of TensorRT's timing cache for this GPU and version."""
        machine = (tag.tensorrt, tag.gpu, tag.sm, tag.sm_count, tag.memory_gib, tag.driver, tag.device)
        place = sha256(" ".join(map(str, machine)).encode()).hexdigest()
        return self.folder / f"{place[:12]}.timing"

    @contextmanager
    def lock(self, tag: PlanTag) -> Iterator[None]:
        """Hold an exclusive file lock on this tag, so that only one process builds its plan; other processes block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path(tag).with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def model_hash(model: Path) -> str:
    """Return the SHA-256 of a model file as hexadecimal digits."""
    return sha256(model.read_bytes()).hexdigest()
