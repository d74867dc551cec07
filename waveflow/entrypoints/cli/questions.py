"""Asking before much is done."""

from __future__ import annotations

import sys
from typing import TextIO

import click


def confirm(question: str, *, asks: bool, yes: bool, piped: TextIO | None = None) -> bool:
    """Whether it may be done: it needn't be asked, was said beforehand, or the answer is yes.

    Wrong usage when it would have to be asked, and there is no terminal to ask on.

    Args:
        asks: whether it is worth asking at all.
        yes: whether `--yes` was given.
        piped: a file that is read, which may be where answers would come from.
    """
    if yes or not asks:
        return True
    if not sys.stdin.isatty() or piped is sys.stdin or getattr(piped, "name", "") == "<stdin>":
        raise click.UsageError(f"{question} There is no terminal to ask on: say --yes.")
    return click.confirm(question, err=True)
