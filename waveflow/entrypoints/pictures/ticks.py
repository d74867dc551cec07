"""The time axis: how far apart its ticks are, and what they say."""

from __future__ import annotations

from attrs import frozen

STEPS_S = (
    *(digit * 10.0**power for power in range(-6, 0) for digit in (1, 2, 5)),
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600.0 * hours for hours in (1, 2, 3, 6, 12, 24, 48, 96, 192)),
)
"""Times that people count in; an axis has a tick at every multiple of one of them."""

_MINUTE_S, _HOUR_S = 60, 3600
_LETTER_PX = 6.5
_GAP_PX = 34.0


@frozen
class Tick:
    """A place on the axis, in pixels from its start, and its label."""

    x: float
    label: str


def tick_step_s(duration_s: float, width_px: float) -> float:
    """The smallest step whose labels don't crowd on an axis of that width."""
    for step_s in STEPS_S:
        if _has_room(step_s, duration_s, width_px):
            return step_s
    # Longer than any audio; but a waveform file may say so.
    while step_s < duration_s and not _has_room(step_s, duration_s, width_px):
        step_s *= 2
    return step_s


def _has_room(step_s: float, duration_s: float, width_px: float) -> bool:
    longest_px = _LETTER_PX * len(label(duration_s, step_s, duration_s))
    return step_s / duration_s * width_px >= longest_px + _GAP_PX


def ticks(duration_s: float, width_px: float) -> list[Tick]:
    """The ticks of an axis from 0 to the end of the audio, both of them included."""
    if duration_s <= 0:
        return [Tick(0.0, label(0.0, 1.0, 0.0))]
    step_s = tick_step_s(duration_s, width_px)
    # A duration such as 0.3 s isn't quite three times 0.1 s.
    count = int(duration_s / step_s + 1e-6)
    return [
        Tick(
            min(number * step_s / duration_s, 1.0) * width_px,
            label(number * step_s, step_s, duration_s),
        )
        for number in range(count + 1)
    ]


def label(time_s: float, step_s: float, duration_s: float) -> str:
    """A time as `m:ss`, or `h:mm:ss` in audio of an hour and more, as exact as the step."""
    decimals = next(at for at in range(7) if round(step_s * 10**at, 6) >= 1)
    time_s = round(time_s, decimals)
    seconds = f"{time_s % _MINUTE_S:0{decimals + 3 if decimals else 2}.{decimals}f}"
    minutes = int(time_s // _MINUTE_S)
    if duration_s < _HOUR_S:
        return f"{minutes}:{seconds}"
    return f"{minutes // 60}:{minutes % 60:02}:{seconds}"
