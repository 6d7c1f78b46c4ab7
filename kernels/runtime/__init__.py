"""What every kernel uses: registry, compilation for the CPU, the CUDA library and its arrays."""
