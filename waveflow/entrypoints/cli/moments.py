"""Moments on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import click


class Moment(click.ParamType[float]):
    """ISO 8601, in UTC unless it says otherwise; becomes Unix time in seconds."""

    name = "moment"

    def convert(
        self, value: str | float, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """The moment that `value` names. Wrong usage when it names none."""
        if isinstance(value, float):
            return value
        unix_s = unix_s_of(value)
        if unix_s is None:
            self.fail(
                f"{value!r} is no moment; write it as 2026-11-22T01:40 or 2026-11-22T01:40:05Z.",
                param,
                context,
            )
        return unix_s


def moment(unix_s: float) -> str:
    """A moment in UTC, ISO 8601 to the second."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def unix_s_of(text: str) -> float | None:
    """The Unix time that ISO 8601 names, in UTC unless it says otherwise; None for other text."""
    try:
        named = datetime.fromisoformat(text)
        return named.replace(tzinfo=named.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


MOMENT = Moment()
