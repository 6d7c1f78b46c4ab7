"""Holds the kernels directly before and after the network: input, labels, confidence."""
