"""The studio's page by the keyboard alone, on the real studio: from the first Tab to the mix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from tests.web.browser import opened
from tests.web.studio import (
    StudioProcess,
    choose_files,
    expect_step,
    mix_row,
    play_time,
    stem_row,
    studio,
)

RATE_HZ = 44_100
SECONDS = 20

FOCUSED = """
() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const words = element.ariaLabel ?? element.textContent.trim();
  return [words, style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth)];
}
"""
"""The name of what has the focus, and how thick the ring around it is."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    with studio(tmp_path_factory.mktemp("studio")) as one:
        yield one


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two stems of 20 s."""
    folder = tmp_path_factory.mktemp("tones")
    time_s = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    paths = folder / "low.wav", folder / "high.wav"
    for path, hz in zip(paths, (220.0, 440.0), strict=True):
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * time_s), RATE_HZ)
    return paths


@pytest.fixture
def page(browser: Browser, running: StudioProcess, tones: tuple[Path, Path]) -> Iterator[Page]:
    """The page with both stems done, and the focus nowhere."""
    with opened(browser, running.address) as one:
        expect(one.page.locator("main:not(.waiting)")).to_be_visible()
        if one.page.locator("#stem-list .row").count() == 0:
            choose_files(one.page, *tones)
        for tone in tones:
            expect_step(stem_row(one.page, tone.name), "done")
        one.page.reload()
        expect(stem_row(one.page, tones[0].name).locator("[data-drawn]")).to_be_visible()
        yield one.page


def test_the_skip_link_leads_to_the_stems(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the stems")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the stems")).to_be_in_viewport()

    page.keyboard.press("Enter")

    expect(page.locator("#stems-title")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)[0] in ("Use low.wav in the mix", "Use high.wav in the mix")


def test_tab_goes_through_everything_in_order_and_always_shows_where_it_is(page: Page) -> None:
    names = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, ring_px = page.evaluate(FOCUSED)
        if page.evaluate("document.activeElement === document.body"):
            break
        assert ring_px >= 2, f"nothing shows that {name} has the focus"
        names.append(name)
    else:
        raise AssertionError(f"the focus never leaves the page: {names}")

    first = names.index("Choose files")
    assert names[:first] == ["Skip to the stems", "Download everything", "한국어"]
    assert names[first + 1] == "Try it with the demo song"
    stem = names[first + 2].removeprefix("Use ").removesuffix(" in the mix")
    assert names[first + 3 : first + 9] == [
        f"Play {stem}",
        f"Position in {stem}",
        "What happened",
        f"Download of {stem}: Audio",
        f"Download of {stem}: Waveform (JSON)",
        f"Download of {stem}: Waveform (.dat)",
    ]
    assert names[-1] == "Mix"
    assert len(names) == len(set(names)) + names.count("What happened") - 1


def test_the_waveform_is_a_slider_with_the_keys_of_one(page: Page) -> None:
    row = stem_row(page, "low.wav")
    slider = page.get_by_role("slider", name="Position in low.wav")
    slider.focus()
    expect(slider).to_have_attribute("aria-valuemax", "20.0")
    expect(slider).to_have_attribute("aria-valuetext", "0:00 of 0:20")

    for key, seconds in (
        ("ArrowRight", "5.0"),
        ("ArrowUp", "10.0"),
        ("ArrowLeft", "5.0"),
        ("PageUp", "20.0"),
        ("Home", "0.0"),
        ("ArrowDown", "0.0"),
        ("End", "20.0"),
        ("ArrowLeft", "15.0"),
    ):
        page.keyboard.press(key)
        expect(slider).to_have_attribute("aria-valuenow", seconds)
    expect(slider).to_have_attribute("aria-valuetext", "0:15 of 0:20")

    page.keyboard.press("Space")

    expect(row.get_by_role("button", name="Pause low.wav")).to_be_visible()
    page.wait_for_function(
        "() => Number(document.activeElement.ariaValueNow) > 15.3"  # It goes on from there.
    )
    page.keyboard.press("Space")
    expect(row.get_by_role("button", name="Play low.wav")).to_be_visible()
    assert 15.3 < play_time(row) < 19


def test_stems_are_chosen_and_mixed_without_a_mouse(page: Page) -> None:
    page.get_by_role("checkbox", name="Use high.wav in the mix").focus()
    page.keyboard.press("Space")
    expect(page.locator("#mixer-count")).to_have_text("1 stem chosen")
    page.get_by_role("button", name="Choose all").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#mixer-count")).to_have_text("2 stems chosen")
    page.keyboard.press("Enter")
    expect(page.locator("#mixer-count")).to_have_text("Choose stems to mix")
    expect(page.get_by_role("button", name="Mix", exact=True)).to_be_disabled()
    page.keyboard.press("Enter")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("#mixer-news")).to_contain_text("is ready.")
    page.get_by_role("link", name="Go to it").focus()
    page.keyboard.press("Enter")
    expect(mix_row(page).get_by_role("button", name="Play Mix 1")).to_be_focused()


def test_the_files_dialogue_opens_by_the_keyboard(page: Page) -> None:
    button = page.get_by_role("button", name="Choose files")

    with page.expect_file_chooser() as chooser:
        # In here: the browser is asked to tell of dialogues by and by, and a key comes at once.
        button.focus()
        expect(button).to_be_focused()
        page.keyboard.press("Enter")

    assert chooser.value.is_multiple()
