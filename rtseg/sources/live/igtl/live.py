"""Opens an OpenIGTLink server as a live source that reconnects."""

from rtseg.frame import Spacing
from rtseg.sources.live.igtl.address import read_address
from rtseg.sources.live.igtl.link import IgtlLink
from rtseg.sources.live.igtl.scale import SpacingOverride
from rtseg.sources.live.reconnect import LinkLimits, ReconnectingSource


def open_igtl(uri: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> ReconnectingSource:
    """Open the source of `igtl://HOST:PORT/DEVICE`. Raises SourceError, ConfigError."""
    address = read_address(uri)
    # A second more than the link's own time-outs, whose errors say more.
    limits = LinkLimits(open_s=2 * address.timeout_s + 1, lost_s=address.timeout_s + 1)
    override = SpacingOverride(spacing_mm)
    return ReconnectingSource(lambda: IgtlLink(address, fps=fps, override=override), limits, name=str(address))
