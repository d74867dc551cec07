"""`waveflow warmup`: compile the kernels ahead of their first use."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from waveflow.application.clock import Clock
from waveflow.entrypoints.cli.output import json_option, print_result
from waveflow.entrypoints.cli.progress import busy, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waveflow.domain.kernels.native import Code


@click.command()
@click.option(
    "--portable",
    is_flag=True,
    help="Compile for all processors of x86-64's levels 3 and 4, for an image. Elsewhere than on"
    " x86-64: for this machine's.",
)
@json_option
def warmup(portable: bool, as_json: bool) -> None:
    """Compile what this machine's processor needs, once; it is kept for every later start.

    A worker does this by itself before its first message, in some 20 seconds. In a set-up script,
    do it beforehand: NUMBA_CACHE_DIR says where, NUMBA_CPU_NAME together with
    NUMBA_CPU_FEATURES for which processor, if it isn't this one. Set neither of the last two
    where the worker runs: it compiles anew where what is there doesn't fit.

    \b
    Examples:
      waveflow warmup
      waveflow warmup --portable
      NUMBA_CACHE_DIR=/var/cache/waveflow waveflow warmup --json
      NUMBA_CPU_NAME=sapphirerapids NUMBA_CPU_FEATURES=+avx2,+avx512f waveflow warmup
    """
    clock = Clock()
    started_s = clock.monotonic_s()
    facts = _for_all_levels() if portable and _has_levels() else _for_one_processor()
    seconds = round(clock.monotonic_s() - started_s, 2)
    print_result(as_json, facts | {"seconds": seconds})


def _has_levels() -> bool:
    return platform.machine() == "x86_64"


def _for_one_processor() -> dict[str, Any]:
    from waveflow.domain.kernels.target import LEVELS, NAMED_BY, Target
    from waveflow.domain.kernels.warmup import kernels, warm_up

    named = [os.environ.get(name) for name in NAMED_BY]
    if len(set(map(bool, named))) > 1 and named[0] not in LEVELS:
        raise click.UsageError(f"{' and '.join(NAMED_BY)} go together: set both, or neither.")
    with counted("Compiling kernels", len(list(kernels()))) as advance:
        codes = warm_up(advance)
    return {
        "processor": Target.of_this_machine().cpu,
        "kernels": len(codes),
        "compiled": sum(code.is_new for code in codes),
        "folder": _folders(codes),
    }


def _folders(codes: Sequence[Code]) -> str:
    folders = {code.kept_in for code in codes}
    if None in folders:
        raise OSError(
            "The compiled kernels can't be kept: no folder can be written to."
            " Name one with NUMBA_CACHE_DIR."
        )
    return ", ".join(sorted(map(str, folders)))


def _for_all_levels() -> dict[str, Any]:
    from waveflow.domain.kernels.target import LEVELS, NAMED_BY

    surroundings = {name: value for name, value in os.environ.items() if name not in NAMED_BY}
    # Numba makes code for one processor in a process.
    children = [_child(surroundings | {NAMED_BY[0]: level}) for level in LEVELS]
    with busy(f"Compiling for {len(LEVELS)} levels of processors"):
        answers = [child.communicate() for child in children]
    for child, (_, errors) in zip(children, answers, strict=True):
        if child.returncode:
            raise OSError(errors.strip().removeprefix("waveflow: "))
    made = [json.loads(answer) for answer, _ in answers]
    return {
        "processor": ", ".join(one["processor"] for one in made),
        "kernels": sum(one["kernels"] for one in made),
        "compiled": sum(one["compiled"] for one in made),
        "folder": ", ".join(one["folder"] for one in made),
    }


def _child(environment: dict[str, str]) -> subprocess.Popen[str]:
    # With -P: another copy of the source may lie in the folder that this was started in.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "waveflow.entrypoints.cli", "warmup", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
