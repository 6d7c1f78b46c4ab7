"""Tests the parsing of igtl:// addresses."""

import pytest

from rtseg.errors import ConfigError
from rtseg.sources import open_source
from rtseg.sources.live.igtl import IgtlAddress, read_address


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("igtl://host", IgtlAddress("host")),
        ("igtl://host/", IgtlAddress("host")),
        ("igtl://10.0.0.5:18946/Image_Reference", IgtlAddress("10.0.0.5", 18946, "Image_Reference")),
        ("IGTL://[::1]:18944/US%20Probe", IgtlAddress("::1", 18944, "US Probe")),
        ("igtl://h/D?white=4095&crc=off&timeout=2.5", IgtlAddress("h", 18944, "D", 4095, crc=False, timeout_s=2.5)),
    ],
)
def test_an_address(uri, address):
    assert read_address(uri) == address
    assert read_address(str(address)) == IgtlAddress(address.host, address.port, address.device)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("igtl:", "names no host: write igtl://HOST"),
        ("igtl:///Image", "names no host"),
        ("igtl://host:70000/", "is no address"),
        ("igtl://host:port/", "is no address"),
        ("igtl://[::1/", "is no address"),
        ("igtl://host/?white=0", "white=0 is not possible: give a number from 1 to 65535"),
        ("igtl://host/?timeout=soon", "timeout=soon is not possible"),
        ("igtl://host/?timeout=nan", "timeout=nan is not possible"),
        ("igtl://host/?crc=maybe", "does not know crc=maybe"),
        ("igtl://host/?colour=1", "does not know colour: give"),
        ("igtl://host/?colour", "is no address"),
    ],
)
def test_an_address_that_is_wrong(uri, message):
    with pytest.raises(ConfigError, match=message):
        open_source(uri)
