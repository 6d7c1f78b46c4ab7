"""Imports OpenVINO with its telemetry turned off; every other module takes the package from here.

From 2024 on, `import openvino` sends an event to Google Analytics and keeps an identity in `~/intel`, unless its package
`openvino_telemetry` is absent. So that package is hidden during the import, and the process's modules are as before afterwards.
A program that imported OpenVINO earlier made its own choice, and rtseg calls nothing of OpenVINO that sends anything later.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TELEMETRY = "openvino_telemetry"


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Make `import name` raise ImportError inside the context."""
    missing = object()
    before = sys.modules.get(name, missing)
    sys.modules[name] = None  # type: ignore[assignment]  # the documented way to block an import
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not missing:
            sys.modules[name] = before  # type: ignore[assignment]


with _hidden(_TELEMETRY):
    import openvino as ov
    from openvino import opset13 as ops
    from openvino import passes
    from openvino.frontend import FrontEndManager

__all__ = ["FrontEndManager", "ops", "ov", "passes"]
