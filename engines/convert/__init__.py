"""Conversion of networks: export from torch, third-party ONNX files, INT8, averages of weights."""
