"""Contains the TensorRT engine with its plans, CUDA graphs and device memory."""
