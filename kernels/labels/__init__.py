"""Kernels on label maps: morphology, components, contours, overlay."""
