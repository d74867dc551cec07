"""The file that a waveform is written to: JSON, or `.dat` with its options; its name says which."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import frozen

from waveflow.application.extras import (
    DAT_BITS,
    FEWEST_SAMPLES_PER_PIXEL,
    MOST_SAMPLES_PER_PIXEL,
    SAMPLES_PER_PIXEL,
    Dat,
)
from waveflow.entrypoints.cli.whole_numbers import WholeNumber
from waveflow.entrypoints.new_files import new_file

_Function = TypeVar("_Function", bound=Callable[..., Any])

_OPTIONS = ("samples_per_pixel", "bits", "split_channels")


@frozen
class DatChoice:
    """What `.dat` options ask for; see `Dat`."""

    samples_per_pixel: int = SAMPLES_PER_PIXEL
    bits: int = 16
    split_channels: bool = False


def dat_options(command: _Function) -> _Function:
    """Options that go with `-o FILE.dat`: `samples_per_pixel`, `bits` and `split_channels`."""
    for option in (
        click.option(
            "--split-channels",
            is_flag=True,
            help="With -o FILE.dat: each channel, instead of their mean.",
        ),
        click.option(
            "--bits",
            type=click.Choice([str(bits) for bits in DAT_BITS]),
            default="16",
            show_default=True,
            help="With -o FILE.dat: bits of each number. peaks.js takes 8.",
        ),
        click.option(
            "--samples-per-pixel",
            type=WholeNumber(FEWEST_SAMPLES_PER_PIXEL, MOST_SAMPLES_PER_PIXEL),
            default=SAMPLES_PER_PIXEL,
            show_default=True,
            help="With -o FILE.dat: frames in each pixel.",
        ),
    ):
        command = option(command)
    return command


def require_dat(output: Path | None) -> None:
    """Refuse `.dat` options that would be ignored. Raises `UsageError`."""
    if _is_dat(output):
        return
    context = click.get_current_context()
    for name in _OPTIONS:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with -o FILE.dat only.")


@contextmanager
def dat_file(output: Path | None, choice: DatChoice) -> Iterator[Dat | None]:
    """What the codec is to write, if `output` is called `.dat`; in its place on leaving."""
    if output is None or not _is_dat(output):
        yield None
        return
    with new_file(output) as written:
        yield Dat(written, choice.samples_per_pixel, choice.bits, choice.split_channels)


def _is_dat(output: Path | None) -> bool:
    return output is not None and output.suffix.lower() == ".dat"
