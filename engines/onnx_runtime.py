"""Imports ONNX Runtime with its telemetry turned off; every other module takes the package from here.

From 1.29 on, ONNX Runtime sends the names and properties of models to Microsoft, and begins when it is imported.
"""

import os
import sys

from rtseg.errors import MissingExtra
from rtseg.system.process_environment import default_variable

_VARIABLE = "ORT_DISABLE_TELEMETRY"  # read once, at the import of ONNX Runtime


_was_imported = "onnxruntime" in sys.modules

try:
    with default_variable(_VARIABLE, "1"):
        import onnxruntime
except ImportError as error:
    raise MissingExtra("the ONNX Runtime engine", "onnx") from error

if _was_imported and _VARIABLE not in os.environ:  # its telemetry has begun, and our users' models must not be in it
    onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]
