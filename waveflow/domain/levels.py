"""How loud a file is: loudness, peaks, clipping, silence and DC offset, for it and per channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, cast

from attrs import asdict, field, frozen
from attrs.validators import instance_of, max_len, min_len, optional

_DB_DECIMALS = 2
_S_DECIMALS = 3
_OFFSET_DECIMALS = 6

_LARGEST = 1e39
"""No figure is larger: 32-bit floats end at 3.4e38, and only a DC offset comes near that."""

_LARGEST_DB = 1000.0
"""The largest 32-bit float is 771 dBFS."""

_MOST_SAMPLES = 2**53
"""As many as every reader of JSON tells apart."""

MOST_CHANNELS = 32
"""As many as a file may have (`AudioLimits`)."""


def _number(value: Any) -> Any:
    """A JSON number as a float; what is no finite number as it is, for the validator."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _within(largest: float) -> Callable[[object, Any, float | None], None]:
    def check(_: object, attribute: Any, value: float | None) -> None:
        # NaN is in no range.
        if value is not None and not -largest <= value <= largest:
            raise ValueError(f"{attribute.name} is {value}; no signal has that.")

    return check


def _not_negative(_: object, attribute: Any, value: float) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} is {value}; nothing is shorter than 0 s.")


_A_FLOAT = (instance_of(float), _within(_LARGEST))
_DECIBELS = (optional(instance_of(float)), _within(_LARGEST_DB))


def _count(_: object, attribute: Any, value: int) -> None:
    # True is an int to Python.
    if type(value) is not int or not 0 <= value <= _MOST_SAMPLES:
        raise ValueError(f"{attribute.name} is no number of samples.")


@frozen
class ChannelLevels:
    """The levels of one channel.

    Attributes:
        true_peak_dbtp: largest absolute value between samples, too; None for digital silence.
        sample_peak_dbfs: largest absolute sample; None for digital silence.
        rms_dbfs: root of the mean square; a full-scale sine has -3.01. None for digital silence.
        clipped_samples: how many are at the limits of the file's own format.
        dc_offset: mean of all samples; 1.0 is full scale.
        silent: no sample reaches `SILENCE_DBFS`.
    """

    true_peak_dbtp: float | None = field(converter=_number, validator=_DECIBELS)
    sample_peak_dbfs: float | None = field(converter=_number, validator=_DECIBELS)
    rms_dbfs: float | None = field(converter=_number, validator=_DECIBELS)
    clipped_samples: int = field(validator=_count)
    dc_offset: float = field(converter=_number, validator=_A_FLOAT)
    silent: bool = field(validator=instance_of(bool))


@frozen
class Levels:
    """The levels of a file. What is both here and per channel is the channels' largest or sum,
    but for the RMS and the DC offset, which are taken over all samples of all channels.

    Attributes:
        integrated_lufs: ITU-R BS.1770-4; None if no 400 ms are above -70 LUFS.
        loudness_range_lu: EBU Tech 3342; None if no 3 s are above -70 LUFS.
        leading_silence_s: until the first sample that reaches `SILENCE_DBFS`; the whole duration
            if none does.
        trailing_silence_s: after the last such sample, likewise.
        channels: one each, in the file's order.
    """

    integrated_lufs: float | None = field(converter=_number, validator=_DECIBELS)
    loudness_range_lu: float | None = field(converter=_number, validator=_DECIBELS)
    true_peak_dbtp: float | None = field(converter=_number, validator=_DECIBELS)
    sample_peak_dbfs: float | None = field(converter=_number, validator=_DECIBELS)
    rms_dbfs: float | None = field(converter=_number, validator=_DECIBELS)
    clipped_samples: int = field(validator=_count)
    leading_silence_s: float = field(converter=_number, validator=(*_A_FLOAT, _not_negative))
    trailing_silence_s: float = field(converter=_number, validator=(*_A_FLOAT, _not_negative))
    silent: bool = field(validator=instance_of(bool))
    dc_offset: float = field(converter=_number, validator=_A_FLOAT)
    channels: tuple[ChannelLevels, ...] = field(validator=(min_len(1), max_len(MOST_CHANNELS)))

    def as_data(self) -> dict[str, Any]:
        """For JSON: dB, LUFS and LU with 2 decimals, seconds with 3, the DC offset with 6."""
        channels = [_rounded(asdict(channel)) for channel in self.channels]
        return {**_rounded(asdict(self, recurse=False)), "channels": channels}

    @classmethod
    def from_data(cls, data: object) -> Self:
        """The levels in what `as_data` gave.

        Raises:
            ValueError: when keys are missing or unknown, or a value is not what it should be.
        """
        try:
            fields = dict(_object(data))
            channels = fields.pop("channels")
            if not isinstance(channels, list | tuple):
                raise TypeError("channels is not a list")
            each = tuple(ChannelLevels(**_object(channel)) for channel in channels)
            return cls(**fields, channels=each)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"This is no levels object: {error}.") from error


def _object(data: object) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise TypeError(f"{data!r:.40} is not an object")
    return cast("dict[str, Any]", data)


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: _rounded_figure(name, value) for name, value in figures.items()}


def _rounded_figure(name: str, value: Any) -> Any:
    if not isinstance(value, float):
        return value
    decimals = _S_DECIMALS if name.endswith("_s") else _DB_DECIMALS
    return round(value, _OFFSET_DECIMALS if name == "dc_offset" else decimals) + 0.0
