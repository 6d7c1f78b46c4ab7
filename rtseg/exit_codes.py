"""Name the exit status of every command, see docs/exit-codes.md."""

EXIT_OK = 0
"""The command did what it was asked for."""
EXIT_ERROR = 1
"""An error, which is one line on standard error; what was written before it is kept."""
EXIT_USAGE = 2
"""An option or an argument that the command does not know, or lacks."""
EXIT_LEFT_OUT = 3
"""`rtseg run` is complete but for what was left out and named: a file, a part of a series, a plug-in's output, or a stream."""
EXIT_SLOWER = 3
"""`rtseg bench --compare` found that the second report is slower."""
EXIT_MISSED = 3
"""`rtseg prove` found that the deadline will not hold."""
EXIT_INTERRUPTED = 130
"""A signal, such as Ctrl-C, ended the command; every output is complete up to then."""
