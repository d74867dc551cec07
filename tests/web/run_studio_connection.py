"""The studio's page when the studio is away or started anew, cuts its stream, or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browser import opened
from tests.web.canned import canned, state, stem
from tests.web.studio import StudioProcess, choose_files, expect_step, noise, stem_row, studio

AWAY = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED", "status of 403"]
REFUSALS = [r"status of (400|500|503)", "ERR_FAILED"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    with studio(tmp_path_factory.mktemp("studio")) as one:
        yield one


def test_a_studio_that_ends_is_missed_and_found_again_under_its_new_address(
    browser: Browser, tmp_path: Path
) -> None:
    with studio(tmp_path) as first, opened(browser, first.address, allowed_errors=AWAY) as one:
        page, banner = one.page, one.page.locator("#banner")
        choose_files(page, noise(tmp_path / "kept.wav", 1))
        expect_step(stem_row(page, "kept.wav"), "done")
        expect(banner).to_be_hidden()

        assert first.stop() == 0

        expect(banner).to_contain_text("The studio isn't answering.")
        expect(stem_row(page, "kept.wav")).to_be_visible()
        with studio(tmp_path, port=first.port) as second:
            page.get_by_role("button", name="Try now").click()
            expect(banner).to_contain_text("Open the address that it printed in the terminal.")
            page.goto(second.address)
            expect(banner).to_be_hidden()
            expect_step(stem_row(page, "kept.wav"), "done")


def test_a_stream_that_is_cut_is_opened_again_and_catches_up(
    browser: Browser, running: StudioProcess, tmp_path: Path
) -> None:
    with (
        opened(browser, running.address) as one,
        opened(browser, running.address) as other,
    ):
        expect(one.page.locator("main:not(.waiting)")).to_be_visible()
        # The studio serves so many streams, and ends the oldest for one more.
        other.page.evaluate("Array.from({ length: 4 }, () => new EventSource('/api/events'))")
        choose_files(other.page, noise(tmp_path / "meanwhile.wav", 2))

        expect_step(stem_row(one.page, "meanwhile.wav"), "done")
        expect(one.page.locator("#banner")).to_be_hidden()
        assert len(one.asked("/api/events")) >= 2


def test_a_stranger_is_told_what_to_open(browser: Browser, running: StudioProcess) -> None:
    with opened(browser, f"http://127.0.0.1:{running.port}/", allowed_errors=["403"]) as one:
        expect(one.page.get_by_text("open the one that")).to_be_visible()


def _refuse(page: Page, pattern: str, sentence: str) -> None:
    body = {"error": sentence, "code": "refused"}
    page.route(pattern, lambda route: route.fulfill(status=400, json=body))


def test_the_address_may_be_a_link_on_another_site(
    browser: Browser, running: StudioProcess
) -> None:
    with opened(browser) as one:
        page = one.page
        # To a browser localhost is another site than 127.0.0.1: a terminal in a web page, say.
        link = f'<!doctype html><a href="{running.address}">The studio</a>'
        page.route("http://localhost:1/**", lambda route: route.fulfill(body=link))
        page.goto("http://localhost:1/")
        page.get_by_role("link").click()
        expect(page.get_by_role("button", name="Choose files")).to_be_visible()
        assert page.url == f"http://127.0.0.1:{running.port}/"


def test_a_refused_song_says_why_beside_its_button(
    browser: Browser, running: StudioProcess
) -> None:
    with opened(browser, running.address, allowed_errors=REFUSALS) as one:
        _refuse(one.page, "**/api/song", "The song is being made already.")

        one.page.get_by_role("button", name="Try it with the demo song").click()

        problem = one.page.locator("#song-problem")
        expect(problem).to_have_text("The song is being made already.")
        expect(one.page.get_by_role("button", name="Try it with the demo song")).to_be_enabled()


def test_a_refused_mix_says_why_beside_its_button(browser: Browser, running: StudioProcess) -> None:
    told = state([stem(1, "drums.wav")], [])
    with canned(browser, running.address, told, allowed_errors=REFUSALS) as one:
        _refuse(one.page, "**/api/mixes", "There is no stem 'stem-1'; reload the page.")

        one.page.get_by_role("button", name="Mix", exact=True).click()

        expect(one.page.locator("#mix-problem")).to_contain_text("reload the page.")
        expect(one.page.get_by_role("button", name="Mix", exact=True)).to_be_enabled()


def test_a_mix_that_cannot_be_asked_for_says_so(browser: Browser, running: StudioProcess) -> None:
    told = state([stem(1, "drums.wav")], [])
    with canned(browser, running.address, told, allowed_errors=REFUSALS) as one:
        one.page.route("**/api/mixes", lambda route: route.abort())

        one.page.get_by_role("button", name="Mix", exact=True).click()

        expect(one.page.locator("#mix-problem")).to_contain_text("The studio isn't answering.")


def test_a_waveform_that_is_not_there_is_told_in_its_row(
    browser: Browser, running: StudioProcess
) -> None:
    told = state([stem(1, "drums.wav")], [])
    with canned(browser, running.address, state([], []), allowed_errors=REFUSALS) as one:
        _refuse(one.page, "**/waveform", "It is no longer in the studio's folder.")

        one.page.evaluate("(state) => tell(state)", told)

        row = stem_row(one.page, "drums.wav")
        expect(row.get_by_role("alert")).to_have_text(
            "The waveform could not be fetched. It is no longer in the studio's folder."
        )


def test_audio_that_does_not_play_is_told_in_its_row(
    browser: Browser, running: StudioProcess
) -> None:
    told = state([stem(1, "drums.wav")], [])
    with canned(browser, running.address, told, allowed_errors=REFUSALS) as one:
        one.page.route("**/audio?play=1", lambda route: route.fulfill(status=500, body="no"))

        one.page.get_by_role("button", name="Play drums.wav").click()

        row = stem_row(one.page, "drums.wav")
        expect(row.get_by_role("alert")).to_contain_text("Your browser could not play this.")
        expect(row.get_by_role("button", name="Play drums.wav")).to_be_visible()
