"""Live sources: cameras, screens, network streams, OpenIGTLink and standard input."""
