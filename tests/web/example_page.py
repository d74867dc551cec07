"""`examples/browser` served on loopback, and what its page has drawn."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.web.browser import Opened
from tests.web.node_tools import EXAMPLES

WITH_AXES = {"#overview", "#json", "#loud-json", "#zoomview"}
"""Views of peaks.js, which writes the time above and below the waveform."""


def draw(one: Opened, site: str, *, audio: str, waveform: str, dat: str) -> None:
    """Go to the page at `site`, and wait until everything on it is drawn."""
    one.page.goto(f"{site}/?{urlencode({'audio': audio, 'waveform': waveform, 'dat': dat})}")
    one.page.wait_for_selector("body[data-drawn=yes]")
    for name in ("wavesurfer", "loud"):
        one.page.wait_for_function(f"window.drawn.{name}.getDecodedData() !== null")


def heights(page: Opened, selector: str) -> NDArray[np.int64]:
    """(columns,): how high something is drawn in each, without the axes above and below."""
    content = page.page.locator(selector).screenshot()
    image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(np.int64)
    between = image[16:72] if selector in WITH_AXES else image
    drawn: NDArray[np.int64] = (np.abs(between - 255).max(axis=2) > 40).sum(axis=0)
    return drawn


class FilesOf(SimpleHTTPRequestHandler):
    """Serves `examples/browser`, and below `/files/` a folder of a test."""

    def __init__(self, *request: Any, files: Path) -> None:
        self.files = files
        super().__init__(*request, directory=str(EXAMPLES / "browser"))

    def translate_path(self, path: str) -> str:
        if path.startswith("/files/"):
            name = path.removeprefix("/files/").partition("?")[0]
            return str(self.files / Path(name).name)
        return super().translate_path(path)

    def log_message(self, *what: Any) -> None:
        """Says nothing."""


@contextmanager
def served(files: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(FilesOf, files=files))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
