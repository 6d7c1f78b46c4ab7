"""Contains an engine that falls back to the next one when it fails."""
