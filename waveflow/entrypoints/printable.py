"""Showing texts of strangers to people: keys, file names, answers of servers."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` without anything that ends a line or that a terminal acts on."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
