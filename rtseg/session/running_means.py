"""Define the running means of a stream by which the lifecycle tells the usual from the unusual."""

from dataclasses import dataclass

_MEAN_WEIGHT = 0.1  # weight of the newest frame in a running mean


@dataclass(slots=True)
class RunningMeans:
    """Holds running means of the differences between consecutive frames."""

    dissimilarity: float = 0.04
    """Dissimilarity; starts high, since the stream may be a sparse sequence."""
    lost: float = 0.0
    """Frames lost between two frames."""
    seconds: float = 0.0
    """Time between two frames; 0 for recordings."""

    def update(self, dissimilarity: float, lost: int, seconds: float) -> None:
        """Add the differences between one frame and the next."""
        self.dissimilarity += _MEAN_WEIGHT * (dissimilarity - self.dissimilarity)
        self.lost += _MEAN_WEIGHT * (lost - self.lost)
        self.seconds += _MEAN_WEIGHT * (seconds - self.seconds)
