"""Contains the live sources: cameras, screens, network streams, OpenIGTLink and standard input."""
