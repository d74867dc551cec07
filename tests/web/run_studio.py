"""The whole story on the studio's page: the demo song, a failure, playing, mixing, downloads."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import define
from playwright.sync_api import Browser, Locator, Page, expect

from tests.web.browser import Opened, opened
from tests.web.studio import (
    BROKEN,
    COPY,
    KEPT,
    WATCHING,
    StudioProcess,
    choose_files,
    expect_step,
    mix_row,
    play_time,
    stem_row,
    studio,
)

ON_THE_WAY = {"queued", "hashing", "deciding", "analyzing"}

DRAWN = """
(wave) => {
  const shadow = wave.firstElementChild.shadowRoot;
  const canvas = shadow.querySelector(".canvases canvas");
  const { width, height } = canvas;
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const filled = (x) => {
    let sum = 0;
    for (let y = 0; y < height; y++) sum += pixels[4 * (y * width + x) + 3] / 255;
    return sum / height;
  };
  const part = width / shadow.querySelector(".scroll").clientWidth;
  return { part, columns: Array.from({ length: width }, (_, x) => filled(x)) };
}
"""
"""How much of each column of the canvas is filled, 0 to 1; and which part of the whole it shows."""


@define
class Story:
    """A studio with the demo song, a text file and a mix in it, and what its page showed of that.

    Attributes:
        steps: by stem, the steps that its row went through before one's eyes.
    """

    studio: StudioProcess
    steps: dict[str, list[str]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("studio")
    notes = folder / "notes.txt"
    notes.write_text("bring the tambourine\n" * 50)
    with studio(folder) as running:
        with opened(browser, running.address, init_script=WATCHING) as first:
            steps = _told(first.page, notes)
        yield Story(running, steps)


def _told(page: Page, notes: Path) -> dict[str, list[str]]:
    page.get_by_role("button", name="Try it with the demo song").click()
    choose_files(page, notes)
    for name in KEPT:
        expect_step(stem_row(page, name), "done")
    expect_step(stem_row(page, COPY), "duplicate")
    for name in (BROKEN, "notes.txt"):
        expect_step(stem_row(page, name), "failed")
    stem_row(page, "choir.ogg").get_by_role("checkbox").uncheck()
    expect(page.locator("#mixer-count")).to_have_text("4 stems chosen")
    page.get_by_role("button", name="Mix", exact=True).click()
    expect(page.locator("#mixer-news")).to_contain_text("Mix 1 is ready.")
    page.get_by_role("link", name="Go to it").click()
    expect(mix_row(page).get_by_role("button", name="Play Mix 1")).to_be_focused()
    steps: dict[str, list[str]] = page.evaluate("window.steps")
    return steps


@pytest.fixture
def one(story: Story, browser: Browser) -> Iterator[Opened]:
    with opened(browser, story.studio.address, init_script=WATCHING) as opened_page:
        expect_step(mix_row(opened_page.page), "done")
        yield opened_page


@pytest.fixture
def page(one: Opened) -> Page:
    return one.page


def test_the_token_leaves_the_address(page: Page) -> None:
    assert "token" not in page.url


def test_the_policy_lets_in_nothing_inline_and_nothing_foreign(one: Opened) -> None:
    [document] = [r for r in one.requests if r.resource_type == "document" and "token" not in r.url]
    answer = document.response()
    assert answer
    policy = answer.headers["content-security-policy"]

    assert "unsafe" not in policy
    assert "http" not in policy
    assert "default-src 'none'" in policy


def test_stems_go_through_their_steps_before_ones_eyes(story: Story) -> None:
    # What takes less than a twentieth of a second may be told together with what follows it.
    assert all(set(story.steps[name]) & ON_THE_WAY for name in KEPT)
    assert any("analyzing" in story.steps[name] for name in KEPT)
    assert {story.steps[name][-1] for name in KEPT} == {"done"}
    assert story.steps[COPY][-1] == "duplicate"
    assert story.steps[BROKEN][-1] == story.steps["notes.txt"][-1] == "failed"


def test_what_happened_is_told_step_by_step(page: Page) -> None:
    row = stem_row(page, "drums.wav")

    row.get_by_text("What happened").click()

    moments = row.locator(".story li span")
    expect(moments.first).to_be_visible()
    assert moments.count() >= 5
    assert all(moments.all_text_contents())


def test_a_duplicate_is_said_to_be_one_and_of_which_stem(page: Page) -> None:
    row = stem_row(page, COPY)

    expect(row.get_by_text("The same recording as drums.wav")).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)
    expect(row.get_by_role("checkbox")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("notes.txt", "The file holds no audio that WaveFlow knows."),
        (BROKEN, "announces 24.00 s of audio, but 16.00 s could be decoded."),
    ],
)
def test_a_failure_is_explained_in_its_row(page: Page, name: str, sentence: str) -> None:
    row = stem_row(page, name)

    expect(row.locator(".notice.bad", has_text=sentence)).to_be_visible()
    expect(row.get_by_role("checkbox")).to_have_count(0)
    expect(row.get_by_role("link")).to_have_count(0)


@pytest.mark.parametrize("name", KEPT)
def test_the_waveform_is_drawn_from_the_documents_peaks(page: Page, name: str) -> None:
    row = stem_row(page, name)
    row.scroll_into_view_if_needed()
    expect(row.locator(".wave")).to_have_attribute("data-drawn", "true")

    document = _document(row, page)

    assert document["num_peaks"] == len(document["peaks"]) == 4000
    _require_drawn(row, document["peaks"])
    assert page.evaluate("window.decoded") == []


def test_levels_are_told_in_figures_and_words(page: Page) -> None:
    row = stem_row(page, "drums.wav")

    expect(row.locator('[data-level="loudness"] dd')).to_contain_text("LUFS")
    expect(row.locator('[data-level="true_peak"] dd')).to_contain_text("dBTP")
    expect(row.locator('[data-level="clipped"] dd')).to_have_text("none")


def test_playing_fetches_the_audio_in_parts_and_decodes_nothing_here(
    page: Page, one: Opened
) -> None:
    assert one.asked("/audio") == []
    row = stem_row(page, "drums.wav")

    row.get_by_role("button", name="Play drums.wav").click()

    expect(row.get_by_role("button", name="Pause drums.wav")).to_be_visible()
    page.wait_for_function("(wave) => Number(wave.ariaValueNow) > 0.4", arg=_wave(row))
    fetched = one.asked("/audio")
    assert fetched != []
    assert {request.resource_type for request in fetched} == {"media"}
    assert all(request.all_headers()["range"].startswith("bytes=") for request in fetched)
    assert page.evaluate("window.decoded") == []


def test_only_one_plays_at_a_time(page: Page) -> None:
    bass, drums = stem_row(page, "bass.wav"), stem_row(page, "drums.wav")
    drums.get_by_role("button", name="Play drums.wav").click()
    expect(drums.get_by_role("button", name="Pause drums.wav")).to_be_visible()

    bass.get_by_role("button", name="Play bass.wav").click()

    expect(bass.get_by_role("button", name="Pause bass.wav")).to_be_visible()
    expect(drums.get_by_role("button", name="Play drums.wav")).to_be_visible()
    bass.get_by_role("button", name="Pause bass.wav").click()
    expect(page.locator(".row.playing")).to_have_count(0)


@pytest.mark.parametrize("name", ["chords.flac", "lead.mp3", "choir.ogg"])
def test_every_format_plays(page: Page, name: str) -> None:
    row = stem_row(page, name)

    row.get_by_role("button", name=f"Play {name}").click()

    page.wait_for_function("(wave) => Number(wave.ariaValueNow) > 0.1", arg=_wave(row))
    row.get_by_role("button", name=f"Pause {name}").click()


def test_a_click_on_the_waveform_goes_there(page: Page) -> None:
    row = stem_row(page, "chords.flac")
    row.scroll_into_view_if_needed()
    expect(row.locator(".wave")).to_have_attribute("data-drawn", "true")
    box = row.locator(".wave").bounding_box()
    assert box

    row.locator(".wave").click(position={"x": box["width"] / 2, "y": box["height"] / 2})

    page.wait_for_function("(wave) => Number(wave.ariaValueNow) > 10", arg=_wave(row))
    assert 11.5 < play_time(row) < 12.5


def test_the_chosen_stems_are_in_the_mix_and_it_plays(page: Page) -> None:
    row = mix_row(page)
    expect(row.get_by_text("drums.wav, bass.wav, chords.flac, lead.mp3")).to_be_visible()
    expect(row.locator('[data-level="loudness"] dd')).to_contain_text("LUFS")
    row.scroll_into_view_if_needed()
    expect(row.locator(".wave")).to_have_attribute("data-drawn", "true")
    _require_drawn(row, _document(row, page)["peaks"])

    row.get_by_role("button", name="Play Mix 1").click()

    page.wait_for_function("(wave) => Number(wave.ariaValueNow) > 0.4", arg=_wave(row))


@pytest.mark.parametrize("name", KEPT)
def test_a_stem_is_downloaded_as_it_was_uploaded(page: Page, story: Story, name: str) -> None:
    audio, called = _downloaded(page, stem_row(page, name), "Audio")
    waveform, _ = _downloaded(page, stem_row(page, name), "Waveform (JSON)")
    dat, _ = _downloaded(page, stem_row(page, name), "Waveform (.dat)")

    assert called == name
    assert audio in _stored(story.studio, "storage/users/**/stems/*")
    assert waveform in _stored(story.studio, "storage/waveforms/*.json")
    assert dat in _stored(story.studio, "storage/waveforms/*.dat")
    assert json.loads(waveform)["audio_data_hash"] == hashlib.sha256(audio).hexdigest()


def test_a_mix_is_downloaded_as_it_is_stored(page: Page, story: Story) -> None:
    audio, called = _downloaded(page, mix_row(page), "Audio")

    assert called.endswith(".wav")
    assert [audio] == _stored(story.studio, "storage/mixed/*")


def test_everything_is_downloaded_at_once(page: Page, story: Story, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download everything").click()
    whole = tmp_path / "everything.zip"
    download.value.save_as(whole)

    with zipfile.ZipFile(whole) as archive:
        assert archive.testzip() is None
        members = {name: archive.read(name) for name in archive.namelist()}
    for pattern in ("storage/waveforms/*", "storage/mixed/*", "storage/users/**/stems/*"):
        for content in _stored(story.studio, pattern):
            assert content in members.values()
    assert {Path(name).name for name in members} >= set(KEPT)


def _wave(row: Locator) -> object:
    return row.locator(".wave").element_handle()


def _document(row: Locator, page: Page) -> dict[str, Any]:
    kind, record_id = row.get_attribute("data-kind"), row.get_attribute("data-id")
    document: dict[str, Any] = page.evaluate(
        "(path) => fetch(path).then((answer) => answer.json())", f"/api/{kind}/{record_id}/waveform"
    )
    return document


def _require_drawn(row: Locator, peaks: list[float]) -> None:
    """Hold the canvas's bars, two columns wide with one between, against the peaks."""
    drawn = row.locator(".wave").evaluate(DRAWN)
    # What is left of the width after the last whole bar stays empty.
    shown = peaks[: int(len(peaks) * drawn["part"])]
    heights = drawn["columns"][::3]
    expected = np.zeros(len(heights))
    for index, peak in enumerate(shown):
        # The library rounds halves up.
        bar = int(index * len(heights) / len(shown) + 0.5)
        if bar < len(heights):
            expected[bar] = max(expected[bar], peak)
    assert max(expected) > 0.5
    np.testing.assert_allclose(heights, expected, atol=0.05)


def _downloaded(page: Page, row: Locator, label: str) -> tuple[bytes, str]:
    with page.expect_download() as download:
        row.get_by_role("link", name=f": {label}").click()
    return Path(download.value.path()).read_bytes(), download.value.suggested_filename


def _stored(running: StudioProcess, pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in running.folder.glob(pattern) if path.is_file()]
