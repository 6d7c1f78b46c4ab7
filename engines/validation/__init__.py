"""Checks that a model file may be loaded: its weights, its size, and a trial load in a child process with limits."""
