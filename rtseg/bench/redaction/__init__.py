"""Measure redaction on clips whose letters are known: what is legible, and what of the ultrasound is lost."""
