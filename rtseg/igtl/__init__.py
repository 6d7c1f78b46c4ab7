"""Encodes and decodes OpenIGTLink messages, for the source that reads them and the sink that serves them.

pyigtl is used by the tests only. It keeps timestamps as float seconds, checks no CRC, lacks STATUS, and sends no big-endian
pixels. Without a compiler its CRC takes about 0.1 s for a 720p frame.
"""

from rtseg.igtl.header import HEADER_BYTES, Header, read_header
from rtseg.igtl.message import Message, pack, unpack

__all__ = ["HEADER_BYTES", "Header", "Message", "pack", "read_header", "unpack"]
