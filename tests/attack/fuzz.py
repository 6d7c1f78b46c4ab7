"""Feed seeded mutated inputs to every reader in child processes, and count the faults."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from attack import pool
from attack.mutation import Mutator
from attack.seeds import MAKERS, make_all
from attack.worker import MEMORY_MOST

FAULTS = ("tracebacks", "hangs", "crashes", "over_2gb", "left_threads", "left_files", "many_lines")
_FOUND_MOST = 200


def fuzz(seed: int, inputs: int, readers: Sequence[str] = (), processes: int = 2, keep: Path | None = None) -> dict:
    """Read `inputs` mutated inputs, spread over the readers, at least one each, and return the report.

    keep: a folder for the inputs that found a fault.
    """
    names = list(readers or MAKERS)
    with tempfile.TemporaryDirectory(prefix="rtseg-seeds-") as folder:
        seeds = make_all(Path(folder))
        tally = FaultTally(seed, names)
        for job, told in pool.run(_jobs(seed, inputs, names, seeds), processes):
            if tally.add(job, told) and keep is not None:
                place = keep / f"{job.reader}-{job.number}"
                place.mkdir(parents=True, exist_ok=True)
                if not any(place.iterdir()):
                    Mutator(seed).write(job.reader, job.number, seeds[job.reader], place)
        return tally.report()


def _jobs(seed: int, inputs: int, names: Sequence[str], seeds: dict[str, list[Path]]) -> Iterator[pool.FuzzJob]:
    """Yield the jobs reader by reader, so that each process loads few readers at once."""
    for at, name in enumerate(names):
        count = max(1, inputs // len(names) + (at < inputs % len(names)))
        for number in range(count):
            yield pool.FuzzJob(seed, name, number, tuple(str(path) for path in seeds[name]))


class FaultTally:
    """Counts the outcomes of inputs."""

    def __init__(self, seed: int, readers: Sequence[str]) -> None:
        self._seed = seed
        self._read, self._decoded = Counter(dict.fromkeys(readers, 0)), Counter()
        self._faults, self._found = Counter(), []

    def add(self, job: pool.FuzzJob, told: dict) -> list[str]:
        """Count the outcome of an input, and return the kinds of fault in it."""
        self._read[job.reader] += 1
        self._decoded[job.reader] += told.get("frames", 0) > 0
        kinds = _kinds(told)
        self._faults.update(kinds)
        if kinds and len(self._found) < _FOUND_MOST:
            self._found.append(f"{job.reader}:{job.number}: {', '.join(kinds)}: {_words(told)}")
        return kinds

    def report(self) -> dict:
        """Return the summary; `decoded`: the share of inputs with at least one decoded frame."""
        inputs = self._read.total()
        return {
            "seed": self._seed,
            "inputs": inputs,
            "per_reader": dict(self._read),
            "decoded": {name: round(self._decoded[name] / max(1, count), 3) for name, count in self._read.items()},
            "decoded_of_all": round(self._decoded.total() / max(1, inputs), 3),
            **{fault: self._faults[fault] for fault in FAULTS},
            "found": self._found,
        }


def is_clean(report: dict) -> bool:
    """Return whether no fault was found, and something was read."""
    return report["inputs"] > 0 and not any(report[fault] for fault in FAULTS)


def _kinds(told: dict) -> list[str]:
    checks = {
        "hangs": "hang" in told,
        "crashes": "crash" in told,
        "tracebacks": told.get("traceback"),
        "over_2gb": told.get("bytes", 0) > MEMORY_MOST,
        "left_threads": told.get("threads"),
        "left_files": told.get("files"),
        "many_lines": "\n" in told.get("refused", "").strip(),
    }
    return [kind for kind, is_so in checks.items() if is_so]


def _words(told: dict) -> str:
    """Describe a fault in one line."""
    left = [*told.get("threads", ()), *told.get("files", ())]
    if "crash" in told:
        lines = told["crash"].partition("Extension modules")[0].splitlines()
        return " ".join(line.strip() for line in lines)[:400]
    lines = [line.strip() for line in (told.get("traceback") or told.get("refused") or "").strip().splitlines()]
    place = next((line for line in reversed(lines) if line.startswith("File ") and "rtseg" in line), "")
    return " ".join([*(lines[-1:] if told.get("traceback") else lines), place, *left, _memory(told)]).strip()[:400]


def _memory(told: dict) -> str:
    return f"{told['bytes'] >> 20} MB" if "bytes" in told else ""
