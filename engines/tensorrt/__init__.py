"""The TensorRT engine: plans, CUDA graphs and device memory."""
