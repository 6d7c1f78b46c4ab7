"""Results as a scanner over OpenIGTLink gave them, and what a client gets for one."""

from dataclasses import replace

import results
from igtl import peers
from igtl.peers import Reader

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
    """Wait until so many clients are served."""
    peers.eventually(lambda: sink.clients == count, f"for {count} clients")


def received(sink, sent):
    """The messages that a client gets for one result, by name."""
    with Reader(port(sink)) as reader:
        joined(sink)
        sink.write(sent)
        sink.close()
        return {message.device: message for message in iter_messages(reader)}


def iter_messages(reader):
    """All messages until the server hangs up."""
    while True:
        try:
            yield reader.message()
        except AssertionError:
            return
