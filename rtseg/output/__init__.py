"""Files that a run writes: private, locked while they are written, replaced atomically."""
