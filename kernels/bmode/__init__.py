"""Holds the kernels of B-mode image formation: log compression, persistence, scan conversion."""
