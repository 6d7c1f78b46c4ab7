"""Runs the command line as `python -m rtseg`, where the `rtseg` script is not on the path."""

from rtseg.cli import main

if __name__ == "__main__":
    main()
