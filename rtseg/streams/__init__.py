"""Several streams in one process: their names, who is admitted, and the threads in which they run."""
