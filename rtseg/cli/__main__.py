"""`python -m rtseg.cli` is the `rtseg` command."""

from rtseg.cli import main

main()
