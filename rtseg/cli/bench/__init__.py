"""`rtseg bench`: has one module for each kind of benchmark."""
