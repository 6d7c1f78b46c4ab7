"""A hook of the wheel's build: a wheel that holds the CUDA library is for this platform alone."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelTag(BuildHookInterface[Any]):
    """Tags the wheel by its platform where librtseg_kernels.so was built; else it is for any."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling calls it so
        """Called by hatchling before it packs."""
        if any(Path(self.root, "kernels").glob("*.so")):
            from packaging.tags import platform_tags

            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{next(iter(platform_tags()))}"
