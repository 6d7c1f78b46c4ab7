"""Proves what rtseg says about NVIDIA GPUs on the GPU of this machine (`make gpu-check`)."""
