"""Levels for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waveflow.domain.levels import ChannelLevels, Levels

_NONE = "–"


def level_facts(levels: Levels | None) -> dict[str, str]:
    """One fact each; the channels' own where there are several. None without levels."""
    if levels is None:
        return {}
    facts = {
        "loudness": f"{_figure(levels.integrated_lufs, 'LUFS')},"
        f" range {_figure(levels.loudness_range_lu, 'LU')}",
        "true peak": _figure(levels.true_peak_dbtp, "dBTP"),
        "sample peak": _figure(levels.sample_peak_dbfs, "dBFS"),
        "RMS": _figure(levels.rms_dbfs, "dBFS"),
        "clipped": _samples(levels.clipped_samples),
        "silence": f"{levels.leading_silence_s:.3f} s at the start,"
        f" {levels.trailing_silence_s:.3f} s at the end",
        "DC offset": _offset(levels.dc_offset),
    }
    if levels.silent:
        facts["silence"] = "all of it"
    if len(levels.channels) > 1:
        facts |= {
            f"channel {number}": _of_channel(channel)
            for number, channel in enumerate(levels.channels, start=1)
        }
    return facts


def _of_channel(channel: ChannelLevels) -> str:
    if channel.silent:
        return f"silent, DC {_offset(channel.dc_offset)}"
    return (
        f"{_figure(channel.true_peak_dbtp, 'dBTP')}, {_figure(channel.sample_peak_dbfs, 'dBFS')},"
        f" RMS {_figure(channel.rms_dbfs, 'dBFS')}, clipped {_samples(channel.clipped_samples)},"
        f" DC {_offset(channel.dc_offset)}"
    )


def _figure(value: float | None, unit: str) -> str:
    return _NONE if value is None else f"{value:.1f} {unit}"


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count} samples"


def _offset(value: float) -> str:
    return f"{100 * value:.3f} %"
