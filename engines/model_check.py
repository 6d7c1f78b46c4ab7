"""Checks a model file of unknown origin in a child process with limits, before an engine opens it in this one."""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from rtseg.engines.base import ModelSpec
from rtseg.engines.limited_process import Limits, Outcome, run_limited
from rtseg.engines.model_trial import TORCH
from rtseg.engines.verdict_cache import VerdictCache
from rtseg.engines.zoo import shipped
from rtseg.errors import EngineError, ModelError, RtsegError

TRUST_VARIABLE = "RTSEG_TRUST_MODEL"  # of the environment: "1" is as `trusted=True` everywhere
BASE_S, S_PER_MB, MAX_S = 10.0, 1.0, 300.0  # a network of 100 MB has 110 s, one of 300 MB and above 300 s
TORCH_S = 20.0  # more, since torch alone takes seconds to import
BASE_BYTES, BYTES_PER_BYTE = 850_000_000, 10  # with the interpreter and the engine, which take 120 MB
_MB = 1_000_000
TRUST = "if you trust its maker, skip this check by --trust-model (trusted=True)"


def is_trusted(path: Path, trusted: bool = False) -> bool:
    """Return whether a model is not to be checked: one that comes with rtseg, or that the user vouches for."""
    vouched = trusted or os.environ.get(TRUST_VARIABLE, "") not in ("", "0")
    return vouched or path.resolve() in {shipped_path.resolve() for shipped_path in shipped().values()}


def limits_for(n_bytes: int, engines: Sequence[str]) -> Limits:
    """Return what loading and running a file of that size may take."""
    seconds = min(MAX_S, BASE_S + S_PER_MB * n_bytes / _MB) + TORCH_S * any(engine in TORCH for engine in engines)
    return Limits(seconds, BASE_BYTES + BYTES_PER_BYTE * n_bytes)


def check_model(
    path: Path, engines: Sequence[str], spec: ModelSpec | None = None, *, threads: int = 0, trusted: bool = False
) -> dict[str, RtsegError]:
    """Load a model into each of `engines` in a child process and run it once; return the errors of those that refuse it.

    engines: "openvino", "openvino-bf16", "onnx", "reduced" (OpenVINO at a smaller input), "torchscript", "weights". A verdict
    that is good is remembered by the file's content. Raises ModelError where the file cannot be read.
    """
    if is_trusted(path, trusted):
        return {}
    content, n_bytes = _fingerprint(path)
    cache = VerdictCache()
    keys = {engine: cache.key(engine, content, spec) for engine in dict.fromkeys(engines)}
    unknown = [engine for engine, key in keys.items() if not cache.is_good(key)]
    if not unknown:
        return {}
    limits = limits_for(n_bytes, unknown)
    request = {"path": str(path), "engines": unknown, "spec": spec and spec.to_json(), "threads": threads}
    try:
        outcome = run_limited("rtseg.engines.model_trial", request, limits)
    except OSError as error:
        raise ModelError(f"{path} cannot be checked (no process can be started: {error.strerror}): {TRUST}") from error
    errors = _errors(path, unknown, outcome, limits)
    for engine in unknown:
        if engine not in errors and _answers(outcome)[engine] == ("", ""):
            cache.store(keys[engine])
    return errors


def require_model(path: Path, engine: str, spec: ModelSpec | None = None, *, threads: int = 0, trusted: bool = False) -> None:
    """Check a model for one engine: see check_model. Raises ModelError, EngineError."""
    for error in check_model(path, (engine,), spec, threads=threads, trusted=trusted).values():
        raise error


def _fingerprint(path: Path) -> tuple[str, int]:
    """Return the hash of a file and of those beside it that hold its weights, and the bytes of all. Raises ModelError."""
    digest, n_bytes = sha256(), 0
    for part in (path, *_beside(path)):
        try:
            content = part.read_bytes()
        except OSError as error:
            raise ModelError(f"{part} cannot be read ({error.strerror}): name a model file of yours") from None
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
        n_bytes += len(content)
    return digest.hexdigest(), n_bytes


def _beside(path: Path) -> list[Path]:
    from rtseg.engines.onnx_file import OnnxFile
    from rtseg.engines.weight_check import external_files

    return external_files(OnnxFile.read(path)) if path.suffix == ".onnx" else []


def _answers(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """Return kind and text of the error by engine, as the child gave them: it may have been made to say anything."""
    fields = ("engine", "kind", "error")
    found = [tuple(str(answer.get(field, "")) for field in fields) for answer in outcome.answers]
    return {engine: (kind, text) for engine, kind, text in found}


def _errors(path: Path, engines: Sequence[str], outcome: Outcome, limits: Limits) -> dict[str, RtsegError]:
    answers, found = _answers(outcome), dict[str, RtsegError]()
    for engine in engines:
        if engine not in answers:
            found[engine] = ModelError(f"{path} {_why_ended(outcome, limits, '' in answers)}")
            continue
        kind, text = answers[engine]
        text = "".join(one if one.isprintable() else " " for one in text)
        if kind == "memory":
            found[engine] = ModelError(f"{path} {_over_memory(limits)}")
        elif kind == "EngineError":
            found[engine] = EngineError(text)
        elif kind in ("ModelError", "RtsegError"):
            found[engine] = ModelError(text)
        elif kind and kind != "MissingExtra":  # a missing extra is told where the engine is opened
            found[engine] = ModelError(f"{path} cannot be run ({text}): export it again with `rtseg export`")
    return found


def _why_ended(outcome: Outcome, limits: Limits, started: bool) -> str:
    """Return why there is no answer for an engine, and the remedy."""
    if outcome.exceeded == "time":
        return (
            f"took over {limits.seconds:.0f} s to load and run once, the limit for its size: export a smaller network, or "
            f"{TRUST}"
        )
    if outcome.exceeded == "memory":
        return _over_memory(limits)
    if not started:
        return f"cannot be checked (the process for it ended with status {outcome.status}): reinstall rtseg, or {TRUST}"
    return f"ended the process that loaded it (status {outcome.status}): export it again with `rtseg export`, or {TRUST}"


def _over_memory(limits: Limits) -> str:
    megabytes = limits.memory // _MB
    return f"takes over {megabytes} MB to load and run once, the limit for its size: export a smaller network, or {TRUST}"
