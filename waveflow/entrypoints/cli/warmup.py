"""`waveflow warmup`: compile the kernels ahead of their first use."""

from __future__ import annotations

import os

import click

from waveflow.application.clock import Clock
from waveflow.entrypoints.cli.output import busy, json_option, print_result


@click.command()
@json_option
def warmup(as_json: bool) -> None:
    """Compile what this machine's processor needs, once; it is kept for every later start.

    A worker does this by itself before its first message, in some 15 seconds. In an image or a
    set-up script, do it beforehand: NUMBA_CACHE_DIR says where, NUMBA_CPU_NAME together with
    NUMBA_CPU_FEATURES for which processor, if it isn't this one. Set neither of the last two
    where the worker runs: it compiles anew where what is there doesn't fit.

    \b
    Examples:
      waveflow warmup
      NUMBA_CACHE_DIR=/var/cache/waveflow waveflow warmup --json
      NUMBA_CPU_NAME=sapphirerapids NUMBA_CPU_FEATURES=+avx2,+avx512f waveflow warmup
    """
    from waveflow.domain.kernels.target import NAMED_BY, Target
    from waveflow.domain.kernels.warmup import warm_up

    if len({bool(os.environ.get(name)) for name in NAMED_BY}) > 1:
        raise click.UsageError(f"{' and '.join(NAMED_BY)} go together: set both, or neither.")
    clock = Clock()
    started_s = clock.monotonic_s()
    with busy("Compiling"):
        codes = warm_up()
    folders = {code.kept_in for code in codes}
    if None in folders:
        raise OSError(
            "The compiled kernels can't be kept: no folder can be written to."
            " Name one with NUMBA_CACHE_DIR."
        )
    facts = {
        "processor": Target.of_this_machine().cpu,
        "kernels": len(codes),
        "compiled": sum(code.is_new for code in codes),
        "seconds": round(clock.monotonic_s() - started_s, 2),
        "folder": ", ".join(sorted(map(str, folders))),
    }
    print_result(as_json, facts)
