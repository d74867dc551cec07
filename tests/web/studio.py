"""`waveflow studio` as a process of its own, and what tests do with its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from attrs import define
from playwright.sync_api import Locator, Page, expect

from tests.support.console_script import WAVEFLOW, coverage_settings
from tests.support.processes import eventually

START_S = 60.0
KEPT = ("drums.wav", "bass.wav", "chords.flac", "lead.mp3", "choir.ogg")
COPY = "드럼 (최종).wav"
BROKEN = "drums (broken off).wav"
"""The demo song's stems, as the page calls them."""
_RATE_HZ = 8000
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=\S+")

WATCHING = """
window.decoded = [];
for (const name of ["decodeAudioData"]) {
  const own = BaseAudioContext.prototype[name];
  BaseAudioContext.prototype[name] = function (...all) {
    window.decoded.push(name);
    return own.apply(this, all);
  };
}
window.steps = {};
new MutationObserver((changes) => {
  for (const row of document.querySelectorAll("#stem-list .row:not(.upload)")) {
    const name = row.querySelector("h3").textContent;
    const seen = (window.steps[name] ??= []);
    if (row.dataset.step && seen.at(-1) !== row.dataset.step) seen.push(row.dataset.step);
  }
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
"""For `opened`: notes every decoding in the browser, and every step that a row has shown."""


@define
class StudioProcess:
    """A running studio: the address that it printed, and the folder where it keeps everything."""

    address: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> int:
        """Tell it to end, as Control-C does, and wait. Returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@cache
def _warm() -> None:
    """Compile the kernels, if they aren't yet: expectations wait for less long than that."""
    environment = {"PATH": os.environ["PATH"]} | coverage_settings()
    subprocess.run([WAVEFLOW, "warmup"], env=environment, check=True, capture_output=True)


@contextmanager
def studio(folder: Path, *, port: int = 0, max_upload_mb: int = 500) -> Iterator[StudioProcess]:
    """A studio that keeps everything in `folder`/studio; it ends with the block."""
    _warm()
    arguments = ["--no-open", "--port", str(port), "--max-upload-mb", str(max_upload_mb)]
    log = folder / "studio.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [WAVEFLOW, "studio", "--folder", folder / "studio", *arguments],
            env={"PATH": os.environ["PATH"]} | coverage_settings(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=folder,
        )
    try:
        said = lambda: _ADDRESS.search(log.read_text()) or process.poll() is not None  # noqa: E731
        assert eventually(said, within_s=START_S), f"no address: {log.read_text()}"
        found = _ADDRESS.search(log.read_text())
        assert found, f"it ended: {log.read_text()}"
        yield StudioProcess(found[0], int(found[1]), folder / "studio", process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def stem_row(page: Page, name: str) -> Locator:
    """The row of the stem called `name`."""
    heading = page.get_by_role("heading", name=name, exact=True)
    return page.locator("#stem-list .row").filter(has=heading)


def mix_row(page: Page, number: int = 1) -> Locator:
    """The row of that mix."""
    heading = page.get_by_role("heading", name=f"Mix {number}", exact=True)
    return page.locator("#mix-list .row").filter(has=heading)


def expect_step(row: Locator, step: str) -> None:
    """Wait until the row shows that step."""
    expect(row).to_have_attribute("data-step", step)


def choose_files(page: Page, *files: Path) -> None:
    """Pick files as the button's dialogue has them."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files([*files])


def noise(path: Path, seed: int) -> Path:
    """Write a second of noise, another for each seed, as a WAV file."""
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, _RATE_HZ), _RATE_HZ)
    return path


def play_time(row: Locator) -> float:
    """Where the row's recording stands, in seconds."""
    return float(row.get_by_role("slider").get_attribute("aria-valuenow") or "nan")
