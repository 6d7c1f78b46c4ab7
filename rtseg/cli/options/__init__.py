"""Defines the options that several commands share."""
