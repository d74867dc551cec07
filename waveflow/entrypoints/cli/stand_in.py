"""`waveflow stand-in`: what a laptop has in place of AWS's console and the main server."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from waveflow.domain.errors import PermanentError, TransientError
from waveflow.entrypoints.cli.output import json_option, print_result, wired
from waveflow.entrypoints.cli.queue.access import require_sqs
from waveflow.entrypoints.cli.whole_numbers import WholeNumber
from waveflow.entrypoints.settings import Settings, SettingsError

if TYPE_CHECKING:
    from waveflow.entrypoints.demo.site import Site

DEFAULT_PORT = 8080
_LOOK_EVERY_S = 0.5


@click.group("stand-in")
def stand_in() -> None:
    """Stand-ins for what surrounds the worker, to try the whole system on one machine.

    docker-compose.yml starts them. They trust everybody: not for a network with others in it.

    \b
    Examples:
      waveflow stand-in set-up
      waveflow stand-in serve --demo
    """


@stand_in.command("set-up", short_help="Make the bucket and the queues of the settings.")
@json_option
def set_up(as_json: bool) -> None:
    """Make the bucket and the queues of the settings, unless they are there.

    For a server of your own, at AWS_ENDPOINT_URL. The queue gets a dead-letter queue and a
    redrive policy.

    \b
    Example:
      AWS_ENDPOINT_URL=http://localhost:4566 waveflow stand-in set-up
    """
    from waveflow.entrypoints.demo.local_cloud import make_bucket, make_queues

    settings = _complete_settings()
    facts = {
        "bucket": make_bucket(settings.s3_bucket_name or "", settings.aws_region),
        "queues": make_queues(settings.sqs_queue_url or "", settings.aws_region),
    }
    words = {True: "made", False: "already there"}
    print_result(as_json, {name: words[made] for name, made in facts.items()})


@stand_in.command(short_help="Play the main server over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=WholeNumber(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="0 takes any that is free.",
)
@click.option("--demo", is_flag=True, help="Upload a small synthesised song at the start.")
def serve(host: str, port: int, demo: bool) -> None:
    """Play the main server over HTTP, until SIGTERM or Control-C.

    It takes uploads, puts the messages about them on the queue and answers webhooks, which have
    to be signed if WAVEFLOW_WEBHOOK_SECRET is set: a new hash with a request for the waveform, a
    known one with a request for its deletion, and once all stems are done it asks for the mix.
    It keeps what it knows in memory. Its page, at the address it prints, shows all of it.

    \b
    Examples:
      waveflow stand-in serve --demo
      curl -T drums.wav http://localhost:8080/stems/
    """
    from waveflow.entrypoints.demo.http_server import WEBHOOKS, http_server
    from waveflow.entrypoints.demo.main_server import StandInServer
    from waveflow.entrypoints.demo.site import Site
    from waveflow.entrypoints.worker.threads import Bell

    settings = _complete_settings()
    ended = Bell()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.ring())
    with wired(settings) as container:
        server = StandInServer(
            send=container.queue().send,
            user_id="user-1",
            track_id="track-1",
            stage_id="stage-1",
            tell=_tell,
        )
        site = Site(server, container.storage(), settings.webhook_secrets)
        with http_server(site, host, port) as http:
            threading.Thread(target=http.serve_forever, daemon=True).start()
            address = f"http://{host}:{http.server_port}"
            _tell(f"listening; webhooks to {address}{WEBHOOKS}, stems to {address}/stems/")
            if demo:
                threading.Thread(target=_upload_song, args=[site], daemon=True).start()
            while not ended.wait(_LOOK_EVERY_S):
                pass
            http.shutdown()


def _complete_settings() -> Settings:
    settings = require_sqs()
    if settings.storage != "s3":
        raise SettingsError(["S3_BUCKET_NAME is not set; set it to the name of the bucket."])
    return settings


def _upload_song(site: Site) -> None:
    from waveflow.entrypoints.demo.song import require_scipy, write_song

    try:
        require_scipy()
        with TemporaryDirectory() as folder:
            stems = write_song(Path(folder))
            site.upload_all({stem.path.name: stem.path for stem in stems})
    except (PermanentError, TransientError) as error:
        _tell(f"The song is not there. {error}")


def _tell(sentence: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {sentence}")
