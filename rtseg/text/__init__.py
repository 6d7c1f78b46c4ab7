"""Make text from outside safe for terminals, JSON, logs and pages, and remove credentials."""
