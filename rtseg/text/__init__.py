"""Text from outside made safe: for a terminal, JSON, logs and pages, and without credentials."""
