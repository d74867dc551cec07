"""Uploads on the studio's page: dropped or picked, many, too large, cancelled, refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.web.browser import Opened, opened
from tests.web.canned import canned, state, stem, tell
from tests.web.studio import StudioProcess, choose_files, expect_step, noise, stem_row, studio

MOST_MB = 1


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    with studio(tmp_path_factory.mktemp("studio"), max_upload_mb=MOST_MB) as one:
        yield one


@pytest.fixture
def one(browser: Browser, running: StudioProcess) -> Iterator[Opened]:
    refused = r"status of (400|413|507)"
    with opened(browser, running.address, allowed_errors=[refused, "ERR_FAILED"]) as page:
        expect(page.page.locator("main:not(.waiting)")).to_be_visible()
        yield page


@pytest.fixture
def page(one: Opened) -> Page:
    return one.page


def _drag(page: Page, kind: str, *paths: Path) -> None:
    """What the browser does when files are dragged in from a folder's window."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 400, "data": data})


def _upload_row(page: Page, name: str) -> Locator:
    return page.locator(f'#stem-list .upload[data-name="{name}"]')


def test_files_dropped_anywhere_are_uploaded(page: Page, tmp_path: Path) -> None:
    files = [noise(tmp_path / name, seed) for seed, name in enumerate(("눈물 (최종).wav", "b.wav"))]
    _drag(page, "dragEnter", *files)
    expect(page.get_by_text("Let go to upload")).to_be_visible()
    _drag(page, "dragOver", *files)

    _drag(page, "drop", *files)

    expect(page.get_by_text("Let go to upload")).to_be_hidden()
    expect_step(stem_row(page, "눈물 (최종).wav"), "done")
    expect_step(stem_row(page, "b.wav"), "done")
    expect(page.locator(".upload")).to_have_count(0)


def test_a_dropped_folder_is_uploaded_with_what_is_below_it(page: Page, tmp_path: Path) -> None:
    below = tmp_path / "song" / "takes"
    below.mkdir(parents=True)
    noise(tmp_path / "song" / "outer.wav", 2)
    noise(below / "inner.wav", 3)
    for kind in ("dragEnter", "dragOver", "drop"):
        _drag(page, kind, tmp_path / "song")

    expect_step(stem_row(page, "outer.wav"), "done")
    expect_step(stem_row(page, "inner.wav"), "done")


def test_a_drag_that_leaves_uploads_nothing(one: Opened, tmp_path: Path) -> None:
    file = noise(tmp_path / "left.wav", 4)
    _drag(one.page, "dragEnter", file)
    expect(one.page.get_by_text("Let go to upload")).to_be_visible()

    # Chromium's protocol has no event for the window's edge.
    leave = "(to) => window.dispatchEvent(new DragEvent('dragleave', { relatedTarget: to }))"
    one.page.evaluate(leave, one.page.locator("main").element_handle())
    expect(one.page.get_by_text("Let go to upload")).to_be_visible()
    one.page.evaluate(leave, None)

    expect(one.page.get_by_text("Let go to upload")).to_be_hidden()
    assert one.asked(r"/api/stems\?") == []


def test_ten_files_at_once_all_arrive(page: Page, tmp_path: Path) -> None:
    files = [noise(tmp_path / f"take {n}.wav", 10 + n) for n in range(10)]

    choose_files(page, *files)

    for file in files:
        expect_step(stem_row(page, file.name), "done")


def test_too_large_a_file_is_not_even_sent(one: Opened, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(MOST_MB * 1024**2 + 1))

    choose_files(one.page, large)

    row = _upload_row(one.page, "large.wav")
    expect(row.get_by_text("the studio takes up to 1 MB")).to_be_visible()
    assert one.asked(r"/api/stems\?") == []
    row.get_by_role("button", name="Dismiss").click()
    expect(row).to_have_count(0)


def test_an_empty_file_is_refused_with_the_servers_sentence(page: Page, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()

    choose_files(page, empty)

    row = _upload_row(page, "empty.wav")
    expect(row.get_by_text("The file is empty (0 bytes).")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cover.png", b"\x89PNG\r\n\x1a\n" + bytes(200)),
        ("page.wav", b"<!doctype html><title>no sound</title>" * 9),
        ("cut.wav", b"RIFF\xff\xff\x00\x00WAVEfmt "),
    ],
)
def test_what_is_no_audio_fails_with_a_sentence(
    page: Page, tmp_path: Path, name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)

    choose_files(page, file)

    row = stem_row(page, name)
    expect_step(row, "failed")
    expect(row.locator(".body > div > .notice.bad")).not_to_be_empty()


def test_an_upload_is_cancelled_while_it_runs(page: Page, tmp_path: Path) -> None:
    held: list[Route] = []
    page.route("**/api/stems?*", lambda route: held.append(route))
    choose_files(page, noise(tmp_path / "slow.wav", 5))
    row = _upload_row(page, "slow.wav")
    expect(row.get_by_role("progressbar", name="Uploading: slow.wav")).to_be_visible()

    row.get_by_role("button", name="Cancel uploading slow.wav").click()

    expect(row).to_have_count(0)
    expect(stem_row(page, "slow.wav")).to_have_count(0)


def test_only_two_are_sent_at_a_time(page: Page, tmp_path: Path) -> None:
    held: list[Route] = []
    page.route("**/api/stems?*", lambda route: held.append(route))

    choose_files(page, *(noise(tmp_path / f"{n}.wav", 20 + n) for n in range(4)))

    expect(page.get_by_text("Waiting for the uploads before it")).to_have_count(2)
    assert len(held) == 2
    page.route("**/api/stems?*", lambda route: route.continue_())
    for route in held:
        route.continue_()
    for n in range(4):
        expect_step(stem_row(page, f"{n}.wav"), "done")


def test_a_refused_upload_says_why_and_is_tried_again(page: Page, tmp_path: Path) -> None:
    full = {"error": "The disk is almost full. Make room there.", "code": "disk_full"}
    page.route("**/api/stems?*", lambda route: route.fulfill(status=507, json=full))
    choose_files(page, noise(tmp_path / "again.wav", 6))
    row = _upload_row(page, "again.wav")
    expect(row.get_by_text("The disk is almost full. Make room there.")).to_be_visible()

    page.unroute("**/api/stems?*")
    row.get_by_role("button", name="Try again").click()

    expect_step(stem_row(page, "again.wav"), "done")


def test_an_upload_that_breaks_off_says_so(page: Page, tmp_path: Path) -> None:
    page.route("**/api/stems?*", lambda route: route.abort())

    choose_files(page, noise(tmp_path / "lost.wav", 7))

    expect(page.get_by_text("The connection was lost before the upload")).to_be_visible()


def test_a_stem_is_listed_once_also_before_its_upload_is_answered(
    browser: Browser, running: StudioProcess, tmp_path: Path
) -> None:
    file = noise(tmp_path / "early.wav", 8)
    listed = state([stem(1, "early.wav", size_bytes=file.stat().st_size)], [])
    held: list[Route] = []
    with canned(browser, running.address, state([], []), allowed_errors=["ERR_FAILED"]) as one:
        one.page.route("**/api/stems?*", lambda route: held.append(route))
        choose_files(one.page, file)
        expect(_upload_row(one.page, "early.wav")).to_be_visible()

        tell(one, listed)

        expect(_upload_row(one.page, "early.wav")).to_be_hidden()
        expect(one.page.locator('#stem-list [data-id="stem-1"]')).to_be_visible()
        held[0].abort()
        expect(one.page.locator(".upload")).to_have_count(0)
