"""Remembers choices on this machine, by processor and model. Without a cache the next load only measures again."""

import json
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from rtseg.engines.choice.variant import Choice
from rtseg.errors import SinkError
from rtseg.output.atomic_file import write_atomically
from rtseg.output.private_file import make_folder
from rtseg.system.cache_folder import cache_folder
from rtseg.system.machine import available_cores, processor_name


def choice_path(model: Path, threads: int) -> Path:
    """Return the file that remembers the choice for a model file on this processor, with these threads asked for."""
    facts = (processor_name(), available_cores(), threads, version("openvino"), version("rtseg"))
    weights = model.with_suffix(".bin") if model.suffix == ".xml" else model
    digest = sha256(repr(facts).encode())
    for file in dict.fromkeys((model, weights)):
        digest.update(sha256(file.read_bytes()).digest() if file.is_file() else b"")
    return cache_folder() / "engine-choice" / f"{digest.hexdigest()}.json"


def remembered_choice(path: Path) -> Choice | None:
    """Return a choice that was remembered; None where there is none that can be read."""
    try:
        return Choice.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def remember_choice(path: Path, choice: Choice) -> None:
    """Remember a choice, where the cache can be written."""
    with suppress(OSError, SinkError):
        make_folder(path.parent)
        write_atomically(path, json.dumps(choice.to_dict()).encode())
