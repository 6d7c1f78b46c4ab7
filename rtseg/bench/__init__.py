"""Benchmarks the whole pipeline, kernels, temporal behavior, speckle filters, engines, and the accuracy-latency frontier."""
