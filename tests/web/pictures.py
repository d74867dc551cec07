"""Takes the documents' pictures of the studio: `.venv/bin/python -m tests.web.pictures`.

They show the real page of the real studio, after the demo song has gone through it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.web.browser import chromium, opened
from tests.web.studio import BROKEN, KEPT, expect_step, mix_row, stem_row, studio

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
COLOURS = 128
"""In a picture's palette: a third of the bytes, and nothing that one sees."""


def main() -> None:
    """Take all of them."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, chromium() as browser, studio(Path(name)) as running:
        _tell_story(browser, running.address)
        _take_dark_and_phone(browser, running.address)


def _tell_story(browser: Browser, address: str) -> None:
    with opened(browser, address, width=1200, height=750) as one:
        page = one.page
        expect(page.get_by_role("heading", name="Drop your stems here")).to_be_visible()
        _take(page, "studio-empty")
        page.get_by_role("button", name="Try it with the demo song").click()
        expect_step(stem_row(page, BROKEN), "failed")
        for name in KEPT:
            expect_step(stem_row(page, name), "done")
        _all_drawn(page)
        page.get_by_role("button", name="Mix", exact=True).click()
        expect(page.locator("#mixer-news")).to_contain_text("Mix 1 is ready.")
        page.evaluate("scrollTo(0, 0)")
        _take(page, "studio-stems")
        page.get_by_role("link", name="Go to it").click()
        page.get_by_role("button", name="Play Mix 1").click()
        _wait_for(page, 8)
        _take(page, "studio-mix")


def _take_dark_and_phone(browser: Browser, address: str) -> None:
    with opened(browser, address, width=1200, height=750, colour_scheme="dark") as one:
        expect(stem_row(one.page, "drums.wav").locator("[data-drawn]")).to_be_visible()
        _take(one.page, "studio-dark")
    phone = {"width": 390, "height": 844, "device_scale_factor": 2, "locale": "ko-KR"}
    with opened(browser, address, **phone) as one:  # type: ignore[arg-type]
        expect(stem_row(one.page, "drums.wav").locator("[data-drawn]")).to_be_visible()
        _take(one.page, "studio-phone")


def _all_drawn(page: Page) -> None:
    for wave in page.locator(".wave").all():
        wave.scroll_into_view_if_needed()
        expect(wave).to_have_attribute("data-drawn", "true")


def _wait_for(page: Page, seconds: float) -> None:
    row = mix_row(page)
    expect(row.locator("[data-drawn]")).to_be_visible()
    page.wait_for_function(
        "([wave, seconds]) => Number(wave.ariaValueNow) > seconds",
        arg=[row.locator(".wave").element_handle(), seconds],
    )


def _take(page: Page, name: str) -> None:
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
