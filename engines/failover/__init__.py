"""An engine that gives way to the next one when it fails."""
