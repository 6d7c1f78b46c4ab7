"""Tests that pydicom's messages are suppressed while DICOM is read, and that the process's settings come back."""

import logging
import threading
import warnings
from contextlib import suppress

import pytest

from rtseg.sources.files.quiet_pydicom import SILENCE


def settings():
    return logging.getLogger("pydicom").disabled, list(warnings.filters)


def test_the_settings_come_back_when_two_threads_leave_in_the_order_in_which_they_entered():
    before, first_left = settings(), threading.Event()

    def stay_longer():
        with SILENCE:
            entered.set()
            assert first_left.wait(60)
            assert settings()[0]

    entered, other = threading.Event(), threading.Thread(target=stay_longer)
    with SILENCE:
        other.start()
        assert entered.wait(60)
    assert settings() != before, "the other thread is still inside"
    first_left.set()
    other.join(60)
    assert settings() == before


def test_nothing_is_shown_inside(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder):
    before = settings()
    with suppress(ZeroDivisionError), SILENCE, SILENCE:
        logging.getLogger("pydicom").warning("a name")
        warnings.warn("a name", UserWarning, stacklevel=1)
        raise ZeroDivisionError
    assert settings() == before
    assert not caplog.records
    assert not recwarn.list
    logging.getLogger("pydicom").warning("shown")
    assert [record.message for record in caplog.records] == ["shown"]
