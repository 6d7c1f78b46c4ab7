"""Kernels for stabilization in time: smoothing, warping, hysteresis between frames."""
