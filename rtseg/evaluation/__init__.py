"""Evaluates models on data with ground truth: metrics, the gate for converted engines, and datasets."""
