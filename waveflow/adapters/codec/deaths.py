"""Why a compute process ended before its time, in one word each."""

from __future__ import annotations

import signal
from typing import Literal, get_args

from waveflow.adapters.codec.compute_child import ChildDied, ChildTimedOut

Reason = Literal[
    "crashed",
    "killed",
    "timeout",
    "cpu_limit",
    "file_limit",
    "out_of_memory",
    "fork_server",
    "broken_off",
    "idle",
]
"""`killed`: by SIGKILL, of a kernel without memory, say. `fork_server`: that ended as well.
`broken_off`: the message's lease was lost. `idle`: it had nothing to do.
"""

REASONS: tuple[Reason, ...] = get_args(Reason)

_OF_SIGNALS: dict[int, Reason] = {
    -signal.SIGXCPU: "cpu_limit",
    -signal.SIGXFSZ: "file_limit",
    -signal.SIGKILL: "killed",
}


def reason_of(error: ChildDied | ChildTimedOut) -> Reason:
    """Why the child ended that a task was given to."""
    if isinstance(error, ChildTimedOut):
        return "timeout"
    if error.exit_code is None:
        return "fork_server"
    return _OF_SIGNALS.get(error.exit_code, "crashed")
