"""Loads engines and models of plug-ins."""

import os
from collections.abc import Callable
from pathlib import Path

from rtseg.engines.base import Engine, ModelSpec
from rtseg.errors import ModelError, PluginError
from rtseg.plugins import ENGINES, MODELS, find_plugin

_MEMBERS = ("spec", "initial_state", "upload", "infer", "write", "download", "close")  # of `Engine`


def is_plugin_engine(name: str) -> bool:
    """Return whether a plug-in offers an engine of that name. Raises PluginError where several do."""
    return find_plugin(ENGINES, name) is not None


def open_plugin_engine(name: str, path: Path, spec: ModelSpec | None, threads: int) -> Engine:
    """Open a model file by the engine of a plug-in. spec: None for the file's own. Raises PluginError."""
    plugin = find_plugin(ENGINES, name)
    if plugin is None:
        raise PluginError(f"there is no plug-in engine {name!r} any more: see `rtseg doctor`")
    load: Callable[..., Engine] = plugin.load()
    engine = plugin.call(lambda: load(path, spec=spec, threads=threads), f"cannot open {path}")
    plugin.require(engine, _MEMBERS, "an engine")
    return engine


def plugin_model(name: str) -> Path | None:
    """Return the file of a plug-in's model, None where there is no such plug-in. Raises PluginError, ModelError.

    The entry point is a path, or a function without arguments that returns one.
    """
    plugin = find_plugin(MODELS, name)
    if plugin is None:
        return None
    offered = plugin.load()
    path = plugin.call(lambda: Path(os.fspath(offered() if callable(offered) else offered)), "names no model file")
    if not path.is_file():
        raise ModelError(f"{plugin} names {path}, which does not exist: install the package again")
    return path
