"""The cases: what is measured, against what, and what the target is."""
