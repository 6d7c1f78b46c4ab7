"""Collects the names of tensorrt and pycuda that rtseg uses, from its source code.

Names of the form `tensorrt.X.Y` and `cuda.X.Y` are found in the source; methods of objects stand in the tables below.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]

OURS = {"tensorrt": ("engines/tensorrt/runtime.py", "engines/tensorrt/builder.py"), "cuda": ("engines/tensorrt/device.py",)}

# Methods and attributes of TensorRT objects that rtseg uses: (class, name), with the parameters that it passes by name.
TENSORRT_METHODS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Runtime", "deserialize_cuda_engine"): (),
    ("ICudaEngine", "num_io_tensors"): (),
    ("ICudaEngine", "get_tensor_name"): (),
    ("ICudaEngine", "get_tensor_mode"): (),
    ("ICudaEngine", "get_tensor_dtype"): (),
    ("ICudaEngine", "get_tensor_shape"): (),
    ("ICudaEngine", "create_execution_context"): ("strategy",),
    ("ICudaEngine", "device_memory_size_v2"): (),
    ("IExecutionContext", "set_tensor_address"): ("name", "memory"),
    ("IExecutionContext", "set_device_memory"): ("memory", "size"),
    ("IExecutionContext", "execute_async_v3"): ("stream_handle",),
    ("Builder", "num_DLA_cores"): (),
    ("Builder", "create_network"): ("flags",),
    ("Builder", "create_builder_config"): (),
    ("Builder", "build_serialized_network"): (),
    ("IBuilderConfig", "progress_monitor"): (),
    ("IBuilderConfig", "default_device_type"): (),
    ("IBuilderConfig", "DLA_core"): (),
    ("IBuilderConfig", "set_memory_pool_limit"): ("pool", "pool_size"),
    ("IBuilderConfig", "set_flag"): ("flag",),
    ("IBuilderConfig", "clear_flag"): ("flag",),
    ("IBuilderConfig", "create_timing_cache"): ("serialized_timing_cache",),
    ("IBuilderConfig", "set_timing_cache"): ("cache", "ignore_mismatch"),
    ("IBuilderConfig", "get_timing_cache"): (),
    ("ITimingCache", "serialize"): (),
    ("OnnxParser", "parse_from_file"): ("model",),
    ("OnnxParser", "num_errors"): (),
    ("OnnxParser", "get_error"): ("index",),
    ("IProgressMonitor", "phase_start"): ("phase_name", "parent_phase", "num_steps"),
    ("IProgressMonitor", "step_complete"): ("phase_name", "step"),
    ("IProgressMonitor", "phase_finish"): ("phase_name",),
}

# The same for pycuda, whose docstrings contain a method's C++ types but not its parameter names.
PYCUDA_METHODS = {
    "Device": ("name", "compute_capability", "get_attribute", "total_memory", "retain_primary_context"),
    "Context": ("push", "pop", "detach"),
    "Stream": ("handle", "synchronize", "wait_for_event"),
    "Event": ("record", "synchronize", "time_till"),
    "DeviceAllocation": ("__int__", "free"),
    "HostAllocation": ("get_device_pointer", "free"),
}


def used(alias: str) -> set[str]:
    """Return the dotted names behind `alias` in rtseg's modules: "ILogger.ERROR" for tensorrt.ILogger.ERROR."""
    found: set[str] = set()
    for path in OURS[alias]:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node).startswith(f"{alias}."):
                found.add(ast.unparse(node).removeprefix(f"{alias}."))
    return found


def attributes_used(paths: tuple[str, ...]) -> set[str]:
    """Return every attribute that the modules read or call; the tables above must contain them."""
    trees = (ast.parse((ROOT / path).read_text()) for path in paths)
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
