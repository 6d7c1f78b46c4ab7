"""Recording of a stream without loss, for replay."""
