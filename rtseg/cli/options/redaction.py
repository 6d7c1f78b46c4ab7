"""The options of `rtseg run` that say what may leave the program, and the message about what was withheld or exposed."""

from typing import Annotated

import typer

from rtseg.cli.app import console
from rtseg.errors import ConfigError
from rtseg.result import Redaction
from rtseg.session.redaction import RedactionMode, parse_redaction

RedactOption = Annotated[
    str,
    typer.Option(
        "--redact",
        help="What is blacked in everything that is written: auto (what surrounds the sector; letters, while it is unknown), "
        "strict (everything until the sector is known, and letters over the ultrasound), or off.",
        show_default="auto",
    ),
]
KeepSurroundingsOption = Annotated[
    bool,
    typer.Option(
        "--keep-surroundings",
        help="The same as --redact off: keep what surrounds the sector in everything that is written, such as names and dates!",
    ),
]


def redaction_mode(redact: str, keep_surroundings: bool = False) -> RedactionMode:
    """Return the mode that both options name. Raises ConfigError where they contradict each other."""
    mode = parse_redaction(redact) if redact else RedactionMode.OFF if keep_surroundings else RedactionMode.AUTO
    if keep_surroundings and mode is not RedactionMode.OFF:
        raise ConfigError(f"--redact {mode.value} and --keep-surroundings contradict each other: give one of them")
    return mode


def print_redaction(redaction: Redaction | None) -> None:
    """Print the mode in force and how many frames were withheld or exposed, where that is not what everybody expects."""
    if redaction is None or not (redaction.withheld or redaction.exposed or redaction.sector == "unknown"):
        return
    console.print(
        f"redaction {redaction.mode}, sector {redaction.sector}: {redaction.withheld} frames withheld, "
        f"{redaction.exposed} frames exposed{_remedy(redaction)}",
        style="yellow",
        highlight=False,
    )


def _remedy(redaction: Redaction) -> str:
    if redaction.mode == RedactionMode.OFF.value:
        return ", names and dates too"
    return "; name the sector with --sector TOP,LEFT,HEIGHT,WIDTH" if redaction.sector == "unknown" else ""
