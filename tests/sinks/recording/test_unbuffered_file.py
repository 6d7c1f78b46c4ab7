"""Every write is complete, or raises."""

import pytest
import results

from rtseg.sinks.recording.unbuffered_file import UnbufferedFile


def test_what_is_written_is_in_the_file_at_once(tmp_path):
    with UnbufferedFile(tmp_path / "file", "wb") as file:
        assert file.write(b"one") == 3
        assert file.write(memoryview(b"two")) == 3
        assert (tmp_path / "file").read_bytes() == b"onetwo"


def test_a_part_is_not_taken_for_the_whole(tmp_path):
    with UnbufferedFile(tmp_path / "file", "wb") as file, results.largest_file(1000), pytest.raises(OSError, match="too large"):
        file.write(bytes(1500))  # the first 1000 bytes are written without an error
    assert (tmp_path / "file").stat().st_size == 1000
