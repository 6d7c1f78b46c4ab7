"""Counts durations in a histogram of bounded memory, from which percentiles are read."""

import math

import numpy as np

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


class Histogram:
    """Counts durations in buckets that grow by 1 %, so that percentiles are accurate to 0.5 % in 20 kB for any stream.

    The idea is that of HdrHistogram (G. Tene). Maximum, mean and standard deviation are exact.
    """

    _SMALLEST_NS, _GROWTH, _BUCKETS = 100.0, 1.01, 2400  # 100 ns to 40 minutes
    _PER_LOG = 1 / math.log(_GROWTH)  # buckets in which the logarithm of a duration grows by 1

    def __init__(self) -> None:
        self._counts = np.zeros(self._BUCKETS, np.int64)
        self.count, self.max_ns = 0, 0
        self._mean = self._squares = 0.0  # Welford's running mean and sum of squared deviations

    def add(self, duration_ns: int) -> None:
        """Count one duration in nanoseconds."""
        bucket = int(math.log(duration_ns / self._SMALLEST_NS) * self._PER_LOG) if duration_ns > self._SMALLEST_NS else 0
        self._counts[min(bucket, self._BUCKETS - 1)] += 1
        self.count += 1
        self.max_ns = max(self.max_ns, duration_ns)
        delta = duration_ns - self._mean
        self._mean += delta / self.count
        self._squares += delta * (duration_ns - self._mean)

    def merge(self, other: "Histogram") -> None:
        """Add the counts of `other` (Chan's parallel form of Welford's algorithm)."""
        count, delta = self.count + other.count, other._mean - self._mean
        if count:
            self._squares += other._squares + delta**2 * self.count * other.count / count
            self._mean += delta * other.count / count
        self._counts += other._counts
        self.count, self.max_ns = count, max(self.max_ns, other.max_ns)

    def percentile_ms(self, percent: float) -> float:
        """Return the duration that `percent` of the durations do not exceed, in milliseconds; NaN without any."""
        if not self.count:
            return math.nan
        rank = max(1, math.ceil(percent / 100 * self.count))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        middle: float = self._SMALLEST_NS * self._GROWTH ** (bucket + 0.5)
        return min(middle, self.max_ns) / 1e6

    def summary(self) -> dict[str, float]:
        """Return percentiles, max, mean and std in milliseconds; tail: p100 - p95; flatness: p90 - p10 (Holoscan's terms)."""
        summary_ms = {f"p{percent:g}": self.percentile_ms(percent) for percent in PERCENTILES}
        std = math.sqrt(self._squares / self.count) if self.count else math.nan
        mean = self._mean if self.count else math.nan
        spread = {"tail": self.max_ns / 1e6 - summary_ms["p95"], "flatness": summary_ms["p90"] - self.percentile_ms(10)}
        return summary_ms | {"max": self.max_ns / 1e6, "mean": mean / 1e6, "std": std / 1e6} | spread
