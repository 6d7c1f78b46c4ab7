"""Reads OpenIGTLink servers as sources: PLUS, 3D Slicer and others."""

from rtseg.sources.live.igtl.address import IgtlAddress, read_address
from rtseg.sources.live.igtl.link import IgtlLink
from rtseg.sources.live.igtl.live import open_igtl

__all__ = ["IgtlAddress", "IgtlLink", "open_igtl", "read_address"]
