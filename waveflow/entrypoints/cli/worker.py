"""The `worker` command."""

from __future__ import annotations

import os
import signal
import sys

import click

from waveflow.entrypoints.settings import SettingsError, load_settings, unchosen_backends


@click.command()
@click.pass_context
def worker(context: click.Context) -> None:
    """Take messages from the queue and work on them until SIGTERM or SIGINT.

    Needs SQS_QUEUE_URL, S3_BUCKET_NAME and WEBHOOK_URL; credentials come from the usual places
    (on AWS the instance's role). Everything that is wrong with settings, queue, bucket, work
    folder or decoder is told at once, before the first message is received.

    \b
    When it is told to stop it receives nothing more, gives back what has not begun, finishes
    what runs, and exits:
      0  in order
      2  wrong settings
      3  queue, bucket, work folder or decoder can't be used now
      1, 4, 5  a thread failed; running work took too long; the queue was silent

    \b
    Example:
      SQS_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/stems \\
      S3_BUCKET_NAME=stems WEBHOOK_URL=https://api.example.com/webhooks waveflow worker
    """
    from waveflow.entrypoints.container import container_for
    from waveflow.entrypoints.logs import configure_logs
    from waveflow.entrypoints.worker.start_up import require_ready

    unchosen = unchosen_backends(os.environ)
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        raise SettingsError(error.problems + unchosen) from error
    if unchosen:
        raise SettingsError(unchosen)
    configure_logs(settings.log_level, settings.log_format)
    container = container_for(settings)
    try:
        container.codec()  # Loads in the background, while the rest is looked at.
        report = container.report_health().report
        require_ready(container.queue(), report, settings.max_receives)
        service = container.worker()

        def stop(*_: object) -> None:
            service.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        ending = service.run()
    finally:
        container.shutdown_resources()
    if service.is_busy:
        # Its threads may be stuck for good, and an interpreter that ends trips over them.
        container.work_folder().abandon()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ending)
    context.exit(ending)
