"""The `worker` command."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from waveflow.entrypoints.settings import Settings, SettingsError, load_settings, unchosen_backends

if TYPE_CHECKING:
    from waveflow.entrypoints.container import Container
    from waveflow.entrypoints.logs import Log
    from waveflow.entrypoints.worker.health_port import HealthPort
    from waveflow.entrypoints.worker.last_resort import LastResort
    from waveflow.entrypoints.worker.service import Worker

_LAST_LINES_S = 2.0
"""How long an ending worker waits for its last log lines to be written."""
_SILENCES = 10
"""As many times what a queue may be silent, beside a drain, the worker itself may be."""
_CLOSING_S = 60.0
"""For what comes after a drain: ending the compute processes, closing connections, the log."""


@click.command()
@click.pass_context
def worker(context: click.Context) -> None:
    """Take messages from the queue and work on them until SIGTERM or SIGINT.

    Needs SQS_QUEUE_URL, S3_BUCKET_NAME and WEBHOOK_URL; credentials come from the usual places
    (on AWS the instance's role). Everything that is wrong with settings, queue, bucket, work
    folder or decoder is told at once, before the first message is received. With
    WAVEFLOW_HTTP_PORT set it answers /livez, /readyz and /metrics there.

    \b
    When it is told to stop it receives nothing more, gives back what has not begun, finishes
    what runs, and exits:
      0  in order
      2  wrong settings
      3  queue, bucket, work folder, decoder or HTTP port can't be used now
      1, 4  a thread failed; running work took too long
      5, 6  the queue was silent; a slot was stuck

    \b
    Example:
      SQS_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/stems \\
      S3_BUCKET_NAME=stems WEBHOOK_URL=https://api.example.com/webhooks waveflow worker
    """
    # Before NumPy is loaded: OpenBLAS would start a thread for each core, and burn 0.07 s.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from waveflow.entrypoints.container import container_for
    from waveflow.entrypoints.logs import configure_logs
    from waveflow.entrypoints.worker.last_resort import LastResort

    settings = _chosen_settings()
    log = configure_logs(settings.log_level, settings.log_format, queued=True)
    last_resort = LastResort(longest_silence_s(settings))
    try:
        container = container_for(settings)
        ending, is_stuck = _run(container, settings, log, last_resort)
    finally:
        log.close(_LAST_LINES_S)
    if is_stuck:
        container.work_folder().abandon()
        # Its threads may be stuck for good, and an interpreter that ends trips over them.
        # Standard error isn't flushed: a line ends it anyway, and a stuck reader would stop it.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(ending)
    last_resort.cancel()
    context.exit(ending)


def longest_silence_s(settings: Settings) -> float:
    """How long the main thread may not come to look, whatever it is about."""
    return _longest_end_s(settings) + _SILENCES * settings.watchdog_s


def _longest_end_s(settings: Settings) -> float:
    from waveflow.entrypoints.worker.service import longest_drain_s

    return longest_drain_s(settings.drain_timeout_s, settings.poll_wait_s) + _CLOSING_S


def _chosen_settings() -> Settings:
    unchosen = unchosen_backends(os.environ)
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        raise SettingsError(error.problems + unchosen) from error
    if unchosen:
        raise SettingsError(unchosen)
    return settings


def _run(
    container: Container, settings: Settings, log: Log, last_resort: LastResort
) -> tuple[int, bool]:
    """Work until told to stop. Returns the exit code, and whether threads are stuck."""
    with _health_port(container, settings, log) as port:
        try:
            service = _ready_worker(container, settings)
            service.need("log", log.is_alive)

            def stop(*_: object) -> None:
                service.stop()

            def look() -> None:
                last_resort.put_off()
                if port is not None:
                    port.look()

            signal.signal(signal.SIGTERM, stop)
            signal.signal(signal.SIGINT, stop)
            if port is not None:
                port.begin(service)
            ending = service.run(look)
        finally:
            container.shutdown_resources()
    return ending, service.is_busy


@contextmanager
def _health_port(container: Container, settings: Settings, log: Log) -> Iterator[HealthPort | None]:
    """Open from the start, so that who waits for the worker hears what it waits for."""
    metrics = container.metrics() if settings.http_port else None
    if metrics is None:
        yield None
        return
    from waveflow.entrypoints.worker.health_port import HealthPort

    with HealthPort(
        settings.http_host,
        settings.http_port,
        dependencies=container.health_checks(),
        away=container.report_health().away,
        render_metrics=metrics.render,
        silent_after_s=settings.watchdog_s,
        longest_end_s=_longest_end_s(settings),
        clock=container.clock(),
    ) as port:
        metrics.set_ready(port.readiness.is_ready)
        metrics.set_log(log.lost_lines)
        yield port


def _ready_worker(container: Container, settings: Settings) -> Worker:
    from waveflow.entrypoints.worker.start_up import require_ready

    container.codec()  # Loads in the background, while the rest is made and looked at.
    container.notifier()
    require_ready(
        container.queue(),
        container.report_health().report,
        settings.max_receives,
        needed_work_bytes=container.lanes().heavy * container.limits().max_bytes,
    )
    return container.worker()
