"""Benchmarks: the whole pipeline, kernels, temporal behavior, speckle filters, engines, and the frontier of models."""
