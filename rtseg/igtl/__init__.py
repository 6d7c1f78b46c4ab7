"""OpenIGTLink's messages, for the source that reads them and the sink that serves them.

Our own codec and not pyigtl's, which is the peer that the tests talk to: it keeps timestamps as float seconds, checks no CRC,
knows no STATUS, sends no big-endian pixels, and its CRC takes about 0.1 s for a 720p frame where no compiler was at hand.
"""

from rtseg.igtl.header import HEADER_BYTES, Header, read_header
from rtseg.igtl.message import Message, pack, unpack

__all__ = ["HEADER_BYTES", "Header", "Message", "pack", "read_header", "unpack"]
