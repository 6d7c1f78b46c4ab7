"""Write the files of a run: private, locked while they are written, replaced atomically."""
