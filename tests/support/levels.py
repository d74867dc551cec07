"""Levels, without measuring anything."""

from __future__ import annotations

from waveflow.domain.levels import ChannelLevels, Levels


def some_levels(channels: int = 1) -> Levels:
    """Those of an ordinary stem, to the decimals of its JSON."""
    channel = ChannelLevels(-1.02, -1.25, -20.5, 0, 0.000001, False)
    figures = (-23.04, 5.5, -1.02, -1.25, -20.5, 0, 0.25, 1.5, False, 0.000001)
    return Levels(*figures, (channel,) * channels)


def largest_levels(channels: int) -> Levels:
    """Those that take the most room as JSON."""
    channel = ChannelLevels(-123.45, -123.45, -123.45, 10**12, -0.123456, False)
    seconds = 604_800.123
    return Levels(
        *(-123.45, 123.45, -123.45, -123.45, -123.45, 10**12, seconds, seconds, False, -0.123456),
        (channel,) * channels,
    )
