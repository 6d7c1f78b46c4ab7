"""Provides what every kernel uses: the registry, compilation for the CPU, the CUDA library and its arrays."""
