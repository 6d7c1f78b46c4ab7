"""Encodes and decodes OpenIGTLink messages, for the source that reads them and the sink that serves them.

pyigtl is not used here, but the tests exchange messages with it: it keeps timestamps as float seconds, checks no CRC, lacks
STATUS, sends no big-endian pixels, and without a compiler its CRC takes about 0.1 s for a 720p frame.
"""

from rtseg.igtl.header import HEADER_BYTES, Header, read_header
from rtseg.igtl.message import Message, pack, unpack

__all__ = ["HEADER_BYTES", "Header", "Message", "pack", "read_header", "unpack"]
