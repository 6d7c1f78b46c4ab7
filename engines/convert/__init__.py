"""Converts networks: export from torch, third-party networks, INT8 quantization and averages of weights."""
