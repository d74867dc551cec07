"""How the values of settings are written: each function parses one kind of text.

They raise `ValueError` with what is wanted, so that "NAME is 'text'; it …" is a sentence.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from waveflow.domain.audio import ALL_MIME_TYPES


def whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Parses a whole number within bounds."""
    wanted = f"a whole number of {minimum} or more"
    if maximum is not None:
        wanted = f"a whole number from {minimum} to {maximum}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"must be {wanted}") from None
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError(f"must be {wanted}")
        return number

    return parse


def whole_of(*choices: int) -> Callable[[str], int]:
    """Parses one of a few whole numbers."""

    def parse(text: str) -> int:
        if text not in map(str, choices):
            raise ValueError(f"must be one of: {', '.join(map(str, choices))}")
        return int(text)

    return parse


def true_or_false(text: str) -> bool:
    """Parses `true` or `false`, in any case."""
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


LONGEST_S = 7 * 24 * 3600.0
"""Nothing here takes longer; waiting for more than 24 days overflows the system's timers."""


def seconds(minimum: float, maximum: float = LONGEST_S) -> Callable[[str], float]:
    """Parses a time within bounds."""

    def parse(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not minimum <= seconds <= maximum:
            raise ValueError(f"must be a number of seconds from {minimum:g} to {maximum:g}")
        return seconds

    return parse


def existing(text: str) -> Path:
    """A folder that exists."""
    # Unlike Path.is_dir, this never raises, however long or unreachable the name.
    if not os.path.isdir(text):  # noqa: PTH112
        raise ValueError("must be a folder that exists; make it first")
    return Path(text)


def one_of(*choices: str) -> Callable[[str], str]:
    """Parses one of a few words, in any case."""

    def parse(text: str) -> str:
        choice = {"warn": "warning"}.get(text.lower(), text.lower())
        if choice not in choices:
            raise ValueError(f"must be one of: {', '.join(choices)}")
        return choice

    return parse


def mime_types(text: str) -> frozenset[str]:
    """Names of formats, separated by commas."""
    # Names of formats that can't be decoded (yet) are left in: they do no harm.
    names = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
    if not names & ALL_MIME_TYPES:
        raise ValueError(
            f"must name at least one of, separated by commas: {', '.join(sorted(ALL_MIME_TYPES))}"
        )
    return names


def url(text: str) -> str:
    """A web address."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("must be an address that begins with http:// or https://")
    return text


def queue_url(text: str) -> str:
    """The web address of a standard queue.

    It is shown and logged, so nothing secret may be in it; SQS gives out no such addresses.
    """
    parts = urlsplit(url(text))
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "must be the address alone, without a login or a query; credentials come from the"
            " worker's role"
        )
    if text.endswith(".fifo"):
        raise ValueError("must be a standard queue; this one is FIFO")
    return text


def bucket(text: str) -> str:
    """The name of a bucket, or the ARN of an access point."""
    if not re.fullmatch(r"arn:\S+|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", text):
        raise ValueError(
            "must be the name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-'"
        )
    return text


PREFIX = "WAVEFLOW_"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The rest of a sentence that says `name` isn't known: the nearest that is, if one is near."""
    from difflib import get_close_matches  # Seldom needed, and not quick to load.

    bare = {each.removeprefix(PREFIX): each for each in known}
    alike = get_close_matches(name.upper().removeprefix(PREFIX), bare, 1, 0.7)
    return f"; did you mean {bare[alike[0]]}?" if alike else ""
