"""Prints a page as PDF through a browser that is installed: Chromium, Chrome or Edge without a window."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rtseg.errors import SinkError
from rtseg.output.atomic_file import write_atomically

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")

_TIMEOUT_S = 120.0
_OPTIONS = (
    *("--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking"),
    *("--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer"),
)


def find_browser() -> str:
    """Return the path of a browser that prints. Raises SinkError."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SinkError(
            "a PDF is printed by Chromium, Chrome or Edge, and none is installed: install one, or write --report scan.html "
            "and print that from any browser"
        )
    return found


def print_pdf(page: bytes, folder: Path, browser: str, timeout_s: float = _TIMEOUT_S) -> bytes:
    """Return the PDF of an HTML page that refers to nothing outside.

    folder: where a private folder stands meanwhile, which is removed. Raises SinkError where the browser fails or hangs.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".report-", ignore_cleanup_errors=True) as scratch:
            source, target = Path(scratch) / "report.html", Path(scratch) / "report.pdf"
            write_atomically(source, page)
            _run(
                [browser, *_OPTIONS, *_sandbox(), f"--user-data-dir={scratch}/profile", f"--print-to-pdf={target}"],
                source,
                timeout_s,
            )
            pdf = target.read_bytes()
    except subprocess.TimeoutExpired:
        raise SinkError(f"{Path(browser).name} printed no PDF in {timeout_s:g} s") from None
    except (OSError, subprocess.CalledProcessError) as error:
        raise SinkError(f"{Path(browser).name} printed no PDF ({type(error).__name__})") from None
    if not pdf.startswith(b"%PDF"):
        raise SinkError(f"{Path(browser).name} printed something that is no PDF")
    return pdf


def _run(command: list[str], source: Path, timeout_s: float) -> None:
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*command, source.absolute().as_uri()], check=True, timeout=timeout_s, **quiet)


def _sandbox() -> tuple[str, ...]:
    """Return the option without which Chromium refuses to run as root, as in a container."""
    return ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
