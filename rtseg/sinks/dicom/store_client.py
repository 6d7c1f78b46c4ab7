"""Sends files to a DICOM archive (C-STORE, PS3.4 annex B), with pynetdicom."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from rtseg.errors import MissingExtra, SinkError
from rtseg.sinks.dicom.archive_address import ArchiveAddress
from rtseg.sources.files.dicom_codec import pydicom
from rtseg.sources.files.quiet_pydicom import SILENCE

try:
    import pynetdicom
    from pynetdicom import _config, evt
except ImportError as error:
    raise MissingExtra("--dicom-send", "dicom") from error

_CONNECT_S, _SILENCE_S = 10.0, 30.0  # without a connection, without an answer or any progress
_SLOWEST = 100_000  # bytes a second, below which an object is given up
_SUCCESS, _TAKEN = 0x0000, (0x0001, 0x0107, 0x0116, 0xB000, 0xB006, 0xB007)  # with a warning, such as changed identifiers
_FULL = range(0xA700, 0xA800)


class StoreClient:
    """Sends files in one association. Raises SinkError where the archive does not answer or refuses the association."""

    def __init__(self, archive: ArchiveAddress, files: Sequence[Path], silence_s: float = _SILENCE_S) -> None:
        self._archive, self._lock, self._is_cancelled, self._silence_s = archive, Lock(), False, silence_s
        self._sockets: list[socket.socket] = []
        self._entity: Any = pynetdicom.AE(ae_title=archive.own_title)
        self._entity.connection_timeout = min(_CONNECT_S, silence_s)
        self._entity.acse_timeout = self._entity.dimse_timeout = self._entity.network_timeout = silence_s
        self._files = {file: kind for file in files if (kind := _kind(file))}
        for kind in dict.fromkeys(self._files.values()):
            self._entity.add_requested_context(*kind)
        self._association: Any = None

    def connect(self) -> None:
        """Begin the association."""
        if not self._files:
            raise SinkError("no file that waits is DICOM")
        handlers = [(evt.EVT_CONN_OPEN, self._limit)]
        archive = self._archive
        try:
            socket.getaddrinfo(archive.host, archive.port)  # pynetdicom does not say that a name is unknown
            self._association = self._entity.associate(
                archive.host, archive.port, ae_title=archive.title, evt_handlers=handlers
            )
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise SinkError(f"{archive} cannot be reached ({getattr(error, 'strerror', None) or error})") from None
        if self._association.is_established:
            return
        if self._association.is_rejected:
            raise SinkError(f"{archive} refuses the program {archive.own_title!r}: let it be known there, or give --dicom-aet")
        if refused := self._association.rejected_contexts:
            kinds = ", ".join(dict.fromkeys(pydicom.uid.UID(one.abstract_syntax).name for one in refused))
            raise SinkError(f"{archive} takes no {kinds}")
        raise SinkError(f"{archive} does not answer: check that it runs and listens there")

    def _limit(self, event: Any) -> None:
        """Let a peer that reads nothing end the association, which else would hang for ever."""
        with suppress(AttributeError, OSError), self._lock:
            made = event.assoc.dul.socket.socket
            made.settimeout(self._silence_s)
            self._sockets.append(made)
            if self._is_cancelled:
                made.shutdown(socket.SHUT_RDWR)

    def send(self, file: Path) -> str:
        """Send a file that the archive then holds; return a warning of the archive, or "". Raises SinkError, saying why not."""
        if file not in self._files:
            raise SinkError(f"{file.name} is no DICOM file")
        if not self._association.is_established:
            raise SinkError(f"{self._archive} has ended the connection")
        self._association.dimse_timeout = self._silence_s + file.stat().st_size / _SLOWEST
        chunked, _config.STORE_SEND_CHUNKED_DATASET = _config.STORE_SEND_CHUNKED_DATASET, True  # the file as it is
        try:
            status = self._association.send_c_store(file)
        except ValueError:
            kind, syntax = (pydicom.uid.UID(uid).name for uid in self._files[file])
            raise SinkError(f"{self._archive} takes no {kind} in {syntax}") from None
        except (OSError, RuntimeError, AttributeError) as error:
            raise SinkError(f"{self._archive} has ended the connection ({error})") from None
        finally:
            _config.STORE_SEND_CHUNKED_DATASET = chunked
        return self._judged(status.get("Status"))

    def _judged(self, status: int | None) -> str:
        if status is None:
            raise SinkError(f"{self._archive} has ended the connection, or does not answer any more")
        if status == _SUCCESS:
            return ""
        if status in _TAKEN:
            return f"{self._archive} has taken it with the warning 0x{status:04X}"
        raise SinkError(f"{self._archive} refuses it: {'it has no room' if status in _FULL else f'status 0x{status:04X}'}")

    def cancel(self) -> None:
        """End the connection, from any thread."""
        with self._lock:
            self._is_cancelled = True
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the association and its threads."""
        if self._association is not None:
            if self._association.is_established and not self._is_cancelled:
                self._association.release()
            if self._association.is_alive():
                self._association.abort()
        self._entity.shutdown()
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets.clear()


def _kind(file: Path) -> tuple[str, str] | None:
    """Return the UIDs of what a file holds and of its transfer syntax; None where it is no DICOM."""
    with suppress(OSError, pydicom.errors.InvalidDicomError, AttributeError, ValueError), SILENCE:
        meta = pydicom.filereader.read_file_meta_info(file)
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    return None
