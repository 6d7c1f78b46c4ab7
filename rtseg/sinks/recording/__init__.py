"""Record a stream losslessly, for replay."""
