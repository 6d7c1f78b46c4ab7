"""Evaluation on data with ground truth: metrics, the gate for converted engines, datasets."""
