"""Test that a model that does not fit into the free memory is refused in one line, before it is read."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.load import load_engine
from rtseg.engines.model_memory import check_memory
from rtseg.errors import ModelError
from rtseg.system.memory import free_memory


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)  # takes no room on the disk
    return path


def test_a_model_that_is_larger_than_the_memory_is_refused(tmp_path: Path):
    path = sparse(tmp_path / "huge.onnx", 4 << 40)
    with pytest.raises(ModelError, match=r"huge\.onnx needs 8796\.1 GB of memory at least, and .* GB are free"):
        load_engine(path, trusted=True)
    done = CliRunner().invoke(app, ["run", "synthetic:", "synthetic:head", "--model", str(path)])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)


def test_weights_beside_the_file_count(tmp_path: Path):
    path = sparse(tmp_path / "small.onnx", 100)
    check_memory(path, 1000)
    sparse(tmp_path / "small.onnx.data", 1000)
    with pytest.raises(ModelError, match="quantize it"):
        check_memory(path, 1000)


def test_the_limit_of_a_container_counts(tmp_path: Path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   8000 kB\n")
    assert free_memory(tmp_path) == 8000 * 1024
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("5000000\n")
    (group / "memory.current").write_text("3000000\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 500000\n")
    assert free_memory(tmp_path) == 2_500_000
    (group / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) == 8000 * 1024
    assert free_memory(tmp_path / "nothing") is None
