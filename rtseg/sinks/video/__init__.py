"""Write the overlay as a video file."""

from rtseg.sinks.video.sink import VideoSink

__all__ = ["VideoSink"]
