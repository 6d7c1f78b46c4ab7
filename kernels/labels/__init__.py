"""Holds the kernels on label maps: morphology, connected components, contours, overlay."""
