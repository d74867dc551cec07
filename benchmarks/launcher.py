"""Starts programs and takes their time; speaks JSON lines. A script of its own.

A process's largest memory, as the kernel counts it, begins with that of the process that started
it. So the one that starts them is small, and imports nothing but what it needs.
"""

import json
import os
import signal
import sys
import time

_STANDARD_STREAMS = (0, 1, 2)


def launched(
    command: list[str], environment: dict[str, str], output: str, errors: str, limit_s: int
) -> dict[str, float]:
    """Run a program to its end, killed after `limit_s`."""
    files = (("/dev/null", os.O_RDONLY), (output, _WRITE), (errors, _WRITE))
    actions = [
        (os.POSIX_SPAWN_OPEN, stream, path, flags, 0o600)
        for stream, (path, flags) in zip(_STANDARD_STREAMS, files, strict=True)
    ]
    started_s = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, environment, file_actions=actions)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.alarm(limit_s)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started_s
    signal.alarm(0)
    return {
        "exit_code": os.waitstatus_to_exitcode(status),
        "wall_s": wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def main() -> None:
    """Launch what each line of standard input asks for, until it ends."""
    for line in sys.stdin:
        try:
            answer: dict[str, object] = dict(launched(**json.loads(line)))
        except OSError as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
