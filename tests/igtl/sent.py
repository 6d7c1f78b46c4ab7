"""Provides results with an OpenIGTLink origin, and reads what a client receives for one."""

from dataclasses import replace

import results
from igtl import peers
from igtl.peers import MessageReader

from rtseg.igtl.image import LPS
from rtseg.igtl.origin import IgtlOrigin

ORIGIN = IgtlOrigin(
    "Image_Reference", peers.STAMP_NS, None, (0.5, 0.25), peers.MATRIX, {"ImageToReference": peers.MATRIX}, world=LPS
)


def port(sink):
    return int(sink.address.rpartition(":")[2])


def result(index=0, origin=ORIGIN, **options):
    made = results.result(index=index, **options)
    return replace(made, frame=replace(made.frame, origin=origin))


def joined(sink, count=1):
    """Wait until `count` clients are served."""
    peers.eventually(lambda: sink.clients == count, f"for {count} clients")


def received(sink, sent):
    """Return the messages that a client receives for one result, by name."""
    with MessageReader(port(sink)) as reader:
        joined(sink)
        sink.write(sent)
        sink.close()
        return {message.device: message for message in iter_messages(reader)}


def iter_messages(reader):
    """Yield all messages until the server closes."""
    while True:
        try:
            yield reader.message()
        except AssertionError:
            return
