"""`waveflow studio`: a page to try everything on, with all that belongs to it in one process."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from waveflow.entrypoints.cli.whole_numbers import WholeNumber

if TYPE_CHECKING:
    from waveflow.entrypoints.studio.serve import Address

DEFAULT_PORT = 8787
DEFAULT_FOLDER = Path("waveflow-studio")
_MIB = 1024**2


@click.command()
@click.option(
    "--port",
    type=WholeNumber(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to listen, on this machine alone; 0 takes any port that is free.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="Where everything is kept. The next studio in it goes on with what is there.",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open the page in a browser, or don't. On a terminal it is opened.",
)
@click.option(
    "--max-upload-mb",
    type=WholeNumber(1, 4096),
    default=500,
    show_default=True,
    help="The largest file that is taken, in MB.",
)
@click.pass_context
def studio(
    context: click.Context, port: int, folder: Path, opens: bool | None, max_upload_mb: int
) -> None:
    """Open a page on this machine: upload stems, watch them go through the steps, mix, listen.

    Worker, queue and a stand-in for the main server run in this process, and everything is kept
    in one folder. The page is for whoever has the printed address, with its token. SIGTERM or
    Control-C ends it, within a few seconds. It reads no settings.

    \b
    Examples:
      waveflow studio
      waveflow studio --folder my-song --no-open
      waveflow studio --port 0 --max-upload-mb 2000
    """
    from waveflow.entrypoints.logs import configure_logs
    from waveflow.entrypoints.studio.front_end import require_installed

    require_installed()
    from waveflow.entrypoints.studio.serve import listening, serve_studio

    configure_logs("warning", "console")
    is_default = context.get_parameter_source("port") is ParameterSource.DEFAULT
    wanted = sys.stdout.isatty() and has_display(os.environ, sys.platform)

    def on_start(address: Address) -> None:
        if port and address.port != port:
            click.echo(f"Port {port} is taken; this is another one.")
        click.echo(f"The studio:   {address.url}")
        click.echo(f"It is kept:   {folder.absolute()}")
        click.echo("Control-C ends it.")
        sys.stdout.flush()
        if wanted if opens is None else opens:
            _open(address.url)

    with listening(port, or_any=is_default) as listener:
        compile_kernels()
        serve_studio(folder, listener, max_upload_bytes=max_upload_mb * _MIB, on_start=on_start)


def compile_kernels() -> None:
    """Compile what isn't in the cache, and say so: the first stem would wait for it in silence."""
    from waveflow.domain.kernels import cache
    from waveflow.domain.kernels.native import JIT_IS_OFF
    from waveflow.domain.kernels.target import Target
    from waveflow.domain.kernels.warmup import kernels, warm_up
    from waveflow.entrypoints.cli.progress import counted

    target, names = Target.of_this_machine(), [kernel.name for kernel in kernels()]
    if JIT_IS_OFF or all(cache.find(name, target) for name in names):
        return
    click.echo("Compiling what this processor needs: some 20 seconds, once.", err=True)
    with counted("Compiling kernels", len(names)) as advance:
        warm_up(advance)


def has_display(environment: os._Environ[str] | dict[str, str], platform: str) -> bool:
    """Whether a browser would have a window: one in the terminal would take that over."""
    if platform in ("darwin", "win32"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def _open(url: str) -> None:
    import webbrowser

    # It may wait for the browser to start, or to end.
    threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
