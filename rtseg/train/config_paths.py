"""Resolves the paths in a training's configuration, which are relative to its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PATHS = {"data": ("folder", "other_folders"), "network": ("start",), "teacher": ("models",)}


def with_paths(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a configuration's values with its paths relative to `folder`.

    A path that does not exist there stays as it is: relative to the working directory, as before, or a name of a model.
    """
    resolved = dict(values)
    for table, keys in _PATHS.items():
        if isinstance(values.get(table), Mapping):
            found = {key: _resolved(values[table][key], folder, key) for key in keys if key in values[table]}
            resolved[table] = {**values[table], **found}
    return resolved


def _resolved(value: Any, folder: Path, key: str) -> Any:
    if isinstance(value, list | tuple):
        return [_resolved(one, folder, key) for one in value]
    is_name = key == "models" and isinstance(value, str) and not Path(value).suffix
    if isinstance(value, str) and value and not is_name and (folder / value).exists():
        return str((folder / value).resolve())
    return value
