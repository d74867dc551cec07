"""Parsers that judge a file by its content, in Python alone, before a decoder sees it."""
