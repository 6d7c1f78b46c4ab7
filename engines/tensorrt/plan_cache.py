"""TensorRT plans as files: a plan runs only where it was built, so each says where that was, and what it segments.

A file is one line of JSON behind a magic word, then the plan. The cache holds plans that passed the gate, by their tag.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path

from rtseg.engines.base import ModelSpec
from rtseg.engines.model_file import write_whole
from rtseg.errors import ModelError, described

_log = logging.getLogger(__name__)

MAGIC = b"rtseg plan "
BUILD = 1  # of rtseg's way to build: a plan of another one is built again
AGAIN = "build it again with `rtseg build`"


@dataclass(frozen=True, slots=True)
class PlanTag:
    """What a plan was built from and for; a plan with another tag is another plan.

    model: SHA-256 of the ONNX file. sm, driver: of the GPU. precision: fp32, fp16 or int8. device: gpu or dla.
    """

    model: str
    tensorrt: str
    gpu: str
    sm: str
    driver: str
    precision: str
    device: str
    build: int = BUILD

    def unlike(self, other: "PlanTag") -> str:
        """In what two tags differ, in words, or nothing."""
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]
        return ", ".join(f"{name} {getattr(self, name)!r} and not {getattr(other, name)!r}" for name in names)


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan with its tag and what it takes and gives."""

    tag: PlanTag
    spec: ModelSpec
    plan: bytes

    def write(self, path: Path) -> None:
        """Write it whole or not at all, whoever else writes the same."""
        head = {"tag": asdict(self.tag), "spec": self.spec.to_json(), "sha256": sha256(self.plan).hexdigest()}
        write_whole(path, MAGIC + json.dumps(head).encode() + b"\n" + self.plan)

    @classmethod
    def read(cls, path: Path) -> "PlanFile":
        """Read what `write` wrote. Raises ModelError."""
        content = path.read_bytes()
        if not content.startswith(MAGIC):
            raise ModelError(f"{path} is no plan of rtseg: {AGAIN}, from the .onnx file")
        line, _, plan = content[len(MAGIC) :].partition(b"\n")
        try:
            head = json.loads(line)
            tag, spec, digest = PlanTag(**head["tag"]), ModelSpec.from_json(head["spec"]), head["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the head of {path} cannot be read ({described(error)}): {AGAIN}") from None
        if sha256(plan).hexdigest() != digest:
            raise ModelError(f"{path} is damaged: {AGAIN}")
        return cls(tag, spec, plan)


class PlanCache:
    """The plans of this machine, in a folder: $RTSEG_CACHE/plans, or that of the user's cache."""

    def __init__(self, folder: Path | None = None) -> None:
        home = os.environ.get("RTSEG_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rtseg"
        self.folder = folder or Path(home) / "plans"

    def path(self, tag: PlanTag) -> Path:
        """Where the plan of this tag stands, or will."""
        digest = sha256(json.dumps(asdict(tag), sort_keys=True).encode()).hexdigest()
        return self.folder / f"{tag.model[:12]}-{tag.precision}-{digest[:12]}.plan"

    def find(self, tag: PlanTag) -> PlanFile | None:
        """The plan of this tag; one that is damaged or says something else is dropped, which is logged."""
        path = self.path(tag)
        if not path.is_file():
            return None
        try:
            found = PlanFile.read(path)
            problem = found.tag.unlike(tag)
        except ModelError as error:
            problem = str(error)
        if not problem:
            return found
        self.drop(tag, problem)
        return None

    def drop(self, tag: PlanTag, reason: str) -> None:
        """Take a plan out, and say why."""
        _log.warning("the plan %s is dropped: %s", self.path(tag), reason)
        self.path(tag).unlink(missing_ok=True)

    def store(self, found: PlanFile) -> Path:
        """Keep a plan that was accepted."""
        found.write(self.path(found.tag))
        return self.path(found.tag)

    def timing(self, tag: PlanTag) -> Path:
        """Where the times of layers stand that TensorRT measured on this GPU."""
        place = sha256(f"{tag.tensorrt} {tag.gpu} {tag.sm} {tag.driver} {tag.device}".encode()).hexdigest()
        return self.folder / f"{place[:12]}.timing"

    @contextmanager
    def lock(self, tag: PlanTag) -> Iterator[None]:
        """Only one process at a time builds the plan of this tag; the others wait here, and then find it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path(tag).with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def model_hash(model: Path) -> str:
    """SHA-256 of a model's file."""
    return sha256(model.read_bytes()).hexdigest()
