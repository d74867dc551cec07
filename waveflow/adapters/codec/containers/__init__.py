"""Parsers that judge a file by its content, in Python and NumPy, before a decoder sees it."""
