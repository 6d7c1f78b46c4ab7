"""Predict from measured stages whether a stream will meet its deadline, and test the prediction against observed misses."""
