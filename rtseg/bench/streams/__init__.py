"""Measure several streams in one process: frame rates, latency, fairness and memory, also against as many processes."""
