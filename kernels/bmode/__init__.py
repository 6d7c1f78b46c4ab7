"""B-mode image formation: log compression, persistence, scan conversion."""
