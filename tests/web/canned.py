"""The studio's page in states of one's own: the page is the real one, what it is told is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Route

from tests.web.browser import Opened, opened

LEVELS: dict[str, Any] = {
    "integrated_lufs": -18.34,
    "loudness_range_lu": 6.2,
    "true_peak_dbtp": -3.17,
    "sample_peak_dbfs": -3.2,
    "rms_dbfs": -20.1,
    "clipped_samples": 0,
    "leading_silence_s": 0.0,
    "trailing_silence_s": 1.24,
    "silent": False,
    "dc_offset": 0.0,
    "channels": [],
}
WAVEFORM = {"peaks": [0.25, 1.0, 0.5, 0.75] * 50, "duration": 24.0, "sample_rate": 44_100}

_SCRIPT = """
window.EventSource = class {
  constructor() {
    window.tell = (state) => this.listener({ data: JSON.stringify(state) });
    window.drop = () => this.onerror();
  }
  addEventListener(_, listener) { this.listener = listener; }
  close() {}
};
"""


def stem(number: int, name: str, step: str = "done", **others: Any) -> dict[str, Any]:
    """A stem as the studio tells of it; done ones have everything."""
    is_done = step == "done"
    return {
        "stem_id": f"stem-{number}",
        "name": name,
        "size_bytes": 4_233_644,
        "step": step,
        "history": [{"step": "queued", "at_s": 0.0, "sentence": "It is stored."}],
        "audio_hash": None,
        "duplicate_of": None,
        "error": None,
        "duration_s": 24.0 if is_done else None,
        "sample_rate_hz": 44_100 if is_done else None,
        "num_peaks": 200 if is_done else None,
        "processing_time_s": 0.3 if is_done else None,
        "levels": LEVELS if is_done else None,
        "has_audio": True,
        "has_waveform": is_done,
        "has_dat": is_done,
    } | others


def failed(number: int, name: str, sentence: str, code: str) -> dict[str, Any]:
    """A stem that has failed."""
    return stem(number, name, "failed", error={"sentence": sentence, "code": code})


def mix(number: int, stem_ids: list[str], step: str = "done", **others: Any) -> dict[str, Any]:
    """A mix as the studio tells of it."""
    is_done = step == "done"
    return {
        "mix_id": f"mix-{number}",
        "stem_ids": stem_ids,
        "step": step,
        "error": None,
        "duration_s": 24.0 if is_done else None,
        "gain_db": -3.2 if is_done else None,
        "levels": LEVELS if is_done else None,
        "has_audio": is_done,
        "has_waveform": is_done,
        "has_dat": is_done,
    } | others


def state(stems: list[dict[str, Any]], mixes: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole of what the page is told."""
    return {"limits": {"max_upload_bytes": 100 * 1024**2}, "stems": stems, "mixes": mixes}


MANY_KINDS = state(
    [
        stem(1, "drums.wav"),
        stem(2, "A_name_without_any_place_to_break_it_" * 5 + ".wav"),
        stem(3, "아주 긴 한국어 이름을 가진 스템 " * 6 + ".flac"),
        stem(4, "hashing.wav", "hashing"),
        stem(5, "removing.wav", "removing"),
        stem(
            6,
            "copy.wav",
            "duplicate",
            duplicate_of={"stem_id": "stem-2", "name": "A_name_without_any_place_to_break_it_" * 5},
        ),
        failed(7, "notes.txt", "The file holds no audio. Please upload a WAV file.", "not_audio"),
        stem(8, "quiet.wav", levels=LEVELS | {"silent": True}),
        stem(
            9,
            "loud.wav",
            levels=LEVELS
            | {"integrated_lufs": -6.0, "true_peak_dbtp": 1.3, "clipped_samples": 12_345}
            | {"leading_silence_s": 2.5, "loudness_range_lu": None},
        ),
    ],
    [
        mix(1, ["stem-1", "stem-2", "stem-3"]),
        mix(2, ["stem-1"], "mixing"),
        mix(3, ["stem-1"], "failed", error={"sentence": "It is too long.", "code": "mix_too_long"}),
    ],
)
"""One of everything, with the longest names."""


@contextmanager
def canned(
    browser: Browser, address: str, told: dict[str, Any], **options: Any
) -> Iterator[Opened]:
    """The page at `address`, told this state, until `tell` tells it another one."""

    def answer(route: Route) -> None:
        if route.request.url.endswith("/waveform"):
            route.fulfill(json=WAVEFORM)
        else:
            route.fallback()

    script = _SCRIPT + options.pop("init_script", "")
    with opened(browser, init_script=script, **options) as one:
        one.page.route("**/api/**", answer)
        one.page.goto(address)
        one.page.wait_for_function("Boolean(window.tell)")
        tell(one, told)
        yield one


def tell(one: Opened, told: dict[str, Any]) -> None:
    """Tell the page another state."""
    one.page.evaluate("(state) => window.tell(state)", told)
