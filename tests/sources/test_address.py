"""Tests addresses: the form that is safe to display, and the options."""

import pytest

from rtseg.errors import ConfigError
from rtseg.sources.address import host, masked_address, read_options, split_options


@pytest.mark.parametrize(
    ("address", "may_be_shown"),
    [
        ("rtsp://admin:geheim@probe:554/live", "rtsp://***@probe:554/live"),
        ("rtsp://admin@probe/live", "rtsp://***@probe/live"),
        ("rtsp://admin:ge@heim@probe/live", "rtsp://***@probe/live"),
        ("rtsp://admin:ge/heim@probe/live", "rtsp://***@probe/live"),
        ("rtsp://admin:ge#heim@probe/live", "rtsp://***@probe/live"),
        ("http://probe/video?user=admin&token=geheim#fflags=nobuffer", "http://probe/video?user=***&token=***#fflags=nobuffer"),
        ("udp://239.0.0.1:5000", "udp://239.0.0.1:5000"),
        ("udp://@:5000", "udp://@:5000"),
        ("C:\\a@b.mp4", "C:\\a@b.mp4"),
    ],
)
def test_what_is_shown_holds_no_secret(address, may_be_shown):
    assert masked_address(address) == may_be_shown
    assert "geheim" not in masked_address(address)
    assert "heim" not in masked_address(address)


def test_options_stand_in_the_fragment_and_the_query_is_the_peers_own():
    address, options = split_options(
        "rtsp://probe/live?channel=1#rtsp_transport=udp&max_delay=0", {"rtsp_transport", "max_delay"}
    )
    assert (address, options) == ("rtsp://probe/live?channel=1", {"rtsp_transport": "udp", "max_delay": "0"})
    assert split_options("rtsp://probe/live", {"max_delay"}) == ("rtsp://probe/live", {})


@pytest.mark.parametrize("text", ["nobuffer=1", "max_delay=", "max_delay=1&max_delay=2", "max_delay"])
def test_an_option_that_nobody_reads_is_refused(text):
    with pytest.raises(ConfigError, match="there are max_delay"):
        read_options(text, {"max_delay"})


def test_a_password_with_a_hash_is_not_told():
    with pytest.raises(ConfigError, match="write it as %23") as error:
        split_options("rtsp://admin:ge#heim@probe/live", {"max_delay"})
    assert "heim" not in str(error.value)


@pytest.mark.parametrize(
    "address", ["rtsp:///live", "rtsp://", "rtsp://a:b:c/", "rtsp://probe:99999/", "rtsp://admin:ge/heim@probe/"]
)
def test_an_address_without_a_peer_is_refused(address):
    with pytest.raises(ConfigError, match="give scheme://host:port/path") as error:
        host(address)
    assert "heim" not in str(error.value)


def test_a_multicast_group_or_a_port_alone_is_a_peer():
    assert host("udp://239.0.0.1:5000") == "239.0.0.1"
    assert host("udp://@:5000") == ""
