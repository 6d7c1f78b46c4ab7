"""Holds the kernels for temporal stabilization: smoothing, warping, hysteresis between frames."""
