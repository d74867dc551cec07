"""Whole numbers on the command line; help calls them N."""

from __future__ import annotations

import click


class WholeNumber(click.IntRange):
    """A whole number within bounds, which are part of it."""

    name = "n"
