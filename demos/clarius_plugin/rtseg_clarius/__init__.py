"""Offer a Clarius probe as a source of rtseg, a table of areas as a sink, and the roundness of a mask as a measure."""
