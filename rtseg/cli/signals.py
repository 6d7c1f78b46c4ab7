"""Signal handling: SIGINT, SIGTERM and SIGHUP end a command, every sink closes its file, and the exit code is 130."""

import os
import signal
import socket
import threading
from types import FrameType

from rtseg.exit_codes import EXIT_INTERRUPTED

GRACE_S = 3.0  # from the second signal to the exit, because a closing terminal sends two: from the system and the shell
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
_OUTPUTS = (1, 2)  # standard output and standard error


def handle_signals() -> None:
    """Turn each signal that ends a command into KeyboardInterrupt; a second one ends the process within GRACE_S.

    A signal that is ignored at the start, as under nohup, stays ignored. Call this from the main thread.
    """
    terminals = [output for output in _OUTPUTS if os.isatty(output)]

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  a handler's signature
        _detach_closed_terminals(terminals)
        raise KeyboardInterrupt

    handled = [kind for kind in SIGNALS if signal.getsignal(kind) is not signal.SIG_IGN]
    for kind in handled:
        signal.signal(kind, interrupt)
    _count_signals({int(kind) for kind in handled})


def _count_signals(kinds: set[int]) -> None:
    """Count the signals in a thread of its own, because Python runs no handler while the main thread blocks in a library."""
    inside, outside = socket.socketpair()
    outside.setblocking(False)
    signal.set_wakeup_fd(outside.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_exit_at_second_signal, args=(inside, outside, kinds), name="rtseg-signals", daemon=True).start()


def _exit_at_second_signal(inside: socket.socket, outside: socket.socket, kinds: set[int]) -> None:  # noqa: ARG001  kept open
    count = 0
    while count < 2:
        count += sum(number in kinds for number in inside.recv(1))
    threading.Event().wait(GRACE_S)
    os._exit(EXIT_INTERRUPTED)


def _detach_closed_terminals(terminals: list[int]) -> None:
    """Redirect the output of a closed terminal to the null device, so that writing to it raises no error."""
    for output in terminals:
        if not os.isatty(output):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output)
            os.close(nowhere)
