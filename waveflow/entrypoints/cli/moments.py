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
        moment = unix_s_of(value)
        if moment is None:
            self.fail(
                f"{value!r} is no moment; write it as 2026-11-22T01:40 or 2026-11-22T01:40:05Z.",
                param,
                context,
            )
        return moment


def unix_s_of(text: str) -> float | None:
    """The Unix time that ISO 8601 names, in UTC unless it says otherwise; None for other text."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


MOMENT = Moment()
