"""How the studio's page looks and reads: widths, colours, languages, many stems, odd names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browser import Opened, opened
from tests.web.canned import LEVELS, MANY_KINDS, canned, failed, mix, state, stem, tell
from tests.web.studio import StudioProcess, mix_row, stem_row, studio

CONTRAST = """
() => {
  const parsed = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const over = (top, below) => top.rgb.map((v, i) => v * top.a + below[i] * (1 - top.a));
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parsed(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const shown = element.checkVisibility({ visibilityProperty: true });
    if (!texts.currentNode.data.trim() || !shown) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const below = ground(element);
    const has = ratio(over(parsed(style.color), below), below);
    found.push([texts.currentNode.data.trim(), has, large ? 3 : 4.5]);
  }
  return found;
}
"""
"""Of each text that is shown: its contrast, and what WCAG 2.2 AA asks for."""

OUTSIDE = """
(width) => [...document.querySelectorAll("main *, .top > *, .mixer *")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > width + 0.5)
  .map((each) => each.outerHTML)
"""
"""What hangs over the right edge."""

NON_TEXT = """
() => {
  const style = getComputedStyle(document.documentElement);
  const canvas = document.createElement("canvas").getContext("2d");
  const light = (name) => {
    canvas.fillStyle = style.getPropertyValue(name).trim();
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  return Object.fromEntries(["--wave", "--wave-played", "--edge", "--accent", "--cursor"]
    .map((name) => [name, ratio(name, "--surface")]));
}
"""
"""Contrast of what isn't text but has to be seen: 3 and more."""

FIRST_BAR = """
(wave) => {
  const canvas = wave.firstElementChild.shadowRoot.querySelector(".canvases canvas");
  const { width, height } = canvas;
  return [...canvas.getContext("2d").getImageData(0, height / 2, 1, 1).data].slice(0, 3).join();
}
"""

KEYS = """
async () => {
  const { en } = await import("/static/words.en.js");
  const { ko } = await import("/static/words.ko.js");
  const shape = (words) => Object.fromEntries(Object.entries(words)
    .filter(([key]) => key !== "failures")
    .map(([key, value]) => [key, typeof value === "function" ? `of ${value.length}`
      : Array.isArray(value) ? value.length
      : typeof value === "object" ? Object.keys(value).join() : "text"]));
  return [shape(en), shape(ko)];
}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    with studio(tmp_path_factory.mktemp("studio")) as one:
        yield one


@pytest.fixture
def address(running: StudioProcess) -> str:
    return running.address


@pytest.fixture(scope="module")
def page(browser: Browser, running: StudioProcess) -> Iterator[Opened]:
    """A page for tests that tell it all that they are about."""
    with canned(browser, running.address, state([], [])) as one:
        yield one


def test_an_empty_studio_says_what_to_do(browser: Browser, address: str) -> None:
    with opened(browser, address) as one:
        page = one.page
        expect(page.get_by_role("heading", name="Drop your stems here")).to_be_visible()
        expect(page.get_by_text("up to 500 MB each")).to_be_visible()
        expect(page.locator("#stems, #mixes, #mixer, #everything, #banner")).to_have_count(5)
        for part in ("#stems", "#mixes", "#mixer", "#everything", "#banner"):
            expect(page.locator(part)).to_be_hidden()


@pytest.mark.parametrize("locale", ["en-GB", "ko-KR"])
def test_nothing_is_wider_than_the_window(browser: Browser, address: str, locale: str) -> None:
    with canned(browser, address, MANY_KINDS, locale=locale) as one:
        expect(one.page.locator("#stem-list .row")).to_have_count(9)
        one.page.locator("details").evaluate_all("all => all.forEach((each) => each.open = true)")
        for width in (320, 360, 390, 600, 640, 768, 960, 1280, 1920):
            one.page.set_viewport_size({"width": width, "height": 800})
            assert one.page.evaluate("document.documentElement.scrollWidth") == width
            assert one.page.evaluate(OUTSIDE, width) == []
            language = one.page.locator("#language").bounding_box()
            assert language
            assert language["height"] < 50  # One line.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_aa_asks_for(
    browser: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    with canned(browser, address, MANY_KINDS, colour_scheme=scheme) as one:
        one.page.evaluate("window.drop()")
        expect(one.page.locator("#stem-list .row")).to_have_count(9)
        texts = one.page.evaluate(CONTRAST)
        assert len(texts) > 80
        assert [text for text in texts if text[1] < text[2]] == []
        assert min(one.page.evaluate(NON_TEXT).values()) >= 3


def test_waveforms_follow_when_light_becomes_dark(browser: Browser, address: str) -> None:
    with canned(browser, address, state([stem(1, "drums.wav")], [])) as one:
        wave = stem_row(one.page, "drums.wav").locator(".wave")
        expect(wave).to_have_attribute("data-drawn", "true")
        assert wave.evaluate(FIRST_BAR) == "132,142,148"

        one.page.emulate_media(color_scheme="dark")

        one.page.wait_for_function(
            f"(wave) => ({FIRST_BAR})(wave) === '114,125,134'", arg=wave.element_handle()
        )


def test_of_fifty_stems_only_those_in_sight_are_drawn(browser: Browser, address: str) -> None:
    fifty = state([stem(number, f"stem {number}.wav") for number in range(1, 51)], [])
    with canned(browser, address, fifty) as one:
        expect(stem_row(one.page, "stem 1.wav").locator("[data-drawn]")).to_be_visible()
        assert 0 < len(one.asked("/waveform")) < 15
        assert one.asked("/audio") == []

        last = stem_row(one.page, "stem 50.wav")
        last.scroll_into_view_if_needed()

        expect(last.locator("[data-drawn]")).to_be_visible()
        assert len(one.asked("/waveform")) < 30


def test_nothing_moves_for_those_who_asked_for_that(browser: Browser, address: str) -> None:
    busy = state([stem(1, "drums.wav", "hashing")], [])
    animations = "document.getAnimations({ subtree: true }).length"
    with canned(browser, address, busy) as one:
        expect(stem_row(one.page, "drums.wav")).to_be_visible()
        assert one.page.evaluate(animations) > 0
    with canned(browser, address, busy, reduced_motion="reduce") as one:
        expect(stem_row(one.page, "drums.wav")).to_be_visible()
        assert one.page.evaluate(animations) == 0


def test_a_korean_browser_gets_a_korean_page_and_may_change_it(
    browser: Browser, address: str
) -> None:
    told = state([failed(1, "notes.txt", "The file holds no audio.", "not_audio")], [])
    with canned(browser, address, told, locale="ko-KR") as one:
        page = one.page
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        expect(page.get_by_role("heading", name="스템을 여기에 끌어다 놓으세요")).to_be_visible()
        expect(page.get_by_text("오디오 파일이 아닙니다.")).to_be_visible()

        page.get_by_role("button", name="English").click()

        expect(page.get_by_role("heading", name="Drop your stems here")).to_be_visible()
        expect(page.locator(".notice", has_text="The file holds no audio.")).to_be_visible()
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.get_by_role("button", name="한국어")).to_be_visible()


def test_both_languages_have_the_same_words(browser: Browser, address: str) -> None:
    with opened(browser, address) as one:
        english, korean = one.page.evaluate(KEYS)
        assert english == korean
        assert len(english) > 60


@pytest.mark.parametrize(
    ("levels", "kind", "text"),
    [
        ({"integrated_lufs": -8.0}, "loudness", "−8.0 LUFSvery loud"),
        ({"integrated_lufs": -14.0}, "loudness", "−14.0 LUFSloud"),
        ({"integrated_lufs": -40.0}, "loudness", "−40.0 LUFSvery soft"),
        ({"integrated_lufs": None}, "loudness", "–too short"),
        ({"true_peak_dbtp": 0.3}, "true_peak", "0.3 dBTPtoo high: will distort"),
        ({"true_peak_dbtp": -0.5}, "true_peak", "−0.5 dBTPclose to the limit"),
        ({"true_peak_dbtp": -3.0}, "true_peak", "−3.0 dBTPhas headroom"),
        ({"loudness_range_lu": 2.0}, "range", "2.0 LUeven"),
        ({"loudness_range_lu": 20.0}, "range", "20.0 LUvery wide"),
        ({"clipped_samples": 1234}, "clipped", "1,234 samplesexport it quieter"),
        ({"clipped_samples": 0}, "clipped", "none"),
        ({"leading_silence_s": 2.0}, "silence", "2.0 s at the start1.2 s at the end"),
        ({"trailing_silence_s": 0.01}, "silence", "none"),
    ],
)
def test_levels_have_words_for_musicians(
    page: Opened, levels: dict[str, Any], kind: str, text: str
) -> None:
    tell(page, state([stem(1, "drums.wav", levels=LEVELS | levels)], []))

    expect(page.page.locator(f'[data-level="{kind}"] dd')).to_have_text(text)


@pytest.mark.parametrize(
    ("step", "shown", "way"),
    [
        ("queued", "Waiting", "WaitingFingerprintSeen before?WaveformReady"),
        ("hashing", "Fingerprint", "WaitingFingerprintSeen before?WaveformReady"),
        ("deciding", "Seen before?", "WaitingFingerprintSeen before?WaveformReady"),
        ("analyzing", "Waveform", "WaitingFingerprintSeen before?WaveformReady"),
        ("removing", "Removing", "WaitingFingerprintSeen before?RemovingDuplicate"),
    ],
)
def test_a_row_shows_where_its_stem_is_on_its_way(
    page: Opened, step: str, shown: str, way: str
) -> None:
    tell(page, state([stem(1, "drums.wav", step)], []))

    row = stem_row(page.page, "drums.wav")
    expect(row.locator(".steps")).to_have_text(way)
    expect(row.locator('[aria-current="step"]')).to_have_text(shown)


def test_a_silent_stem_is_said_to_be_silent(browser: Browser, address: str) -> None:
    silent = stem(1, "quiet.wav", levels=LEVELS | {"silent": True, "integrated_lufs": None})
    with canned(browser, address, state([silent], [])) as one:
        expect(one.page.get_by_text("Nothing can be heard in this file.")).to_be_visible()
        expect(one.page.locator("[data-level]")).to_have_count(0)


def test_what_somebody_removed_is_not_offered_to_play(browser: Browser, address: str) -> None:
    gone: dict[str, Any] = {"has_audio": False, "has_waveform": False}
    told = state([stem(1, "drums.wav", **gone)], [mix(1, ["stem-1"], **gone)])
    with canned(browser, address, told) as one:
        for row, sentence in (
            (stem_row(one.page, "drums.wav"), "Upload it again."),
            (mix_row(one.page), "Make it again."),
        ):
            expect(row.get_by_text(sentence)).to_be_visible()
            expect(row.get_by_role("button", name="Play")).to_have_count(0)
            expect(row.get_by_role("checkbox")).to_have_count(0)


def test_a_name_is_text_and_nothing_else(browser: Browser, address: str) -> None:
    name = "<img src=x onerror='window.hit = 1'>\u202e.wav"
    with canned(browser, address, state([stem(1, name)], [mix(1, ["stem-1"])])) as one:
        expect(one.page.locator("#stem-list h3")).to_have_text(name)
        expect(one.page.locator("img")).to_have_count(0)
        assert one.page.evaluate("window.hit") is None


def test_a_mix_says_what_it_is_of_and_what_was_done_to_it(browser: Browser, address: str) -> None:
    told = state([stem(1, "drums.wav"), stem(2, "bass.wav")], [mix(1, ["stem-1", "stem-2"])])
    with canned(browser, address, told) as one:
        row = mix_row(one.page)
        expect(row.get_by_text("of drums.wav, bass.wav")).to_be_visible()
        expect(row.get_by_text("turned down by 3.2 dB so that nothing clips")).to_be_visible()


def test_what_is_done_is_read_out(browser: Browser, address: str) -> None:
    with canned(browser, address, state([stem(1, "drums.wav", "analyzing")], [])) as one:
        said = one.page.get_by_role("status")
        expect(said).to_have_text("")

        tell(one, state([stem(1, "drums.wav")], []))

        expect(said).to_have_text("drums.wav is ready.")


def test_a_stem_that_the_studio_forgot_is_gone(browser: Browser, address: str) -> None:
    told = state([stem(1, "drums.wav"), stem(2, "bass.wav")], [])
    with canned(browser, address, told) as one:
        expect(stem_row(one.page, "drums.wav").locator("[data-drawn]")).to_be_visible()

        tell(one, state([stem(2, "bass.wav")], []))

        expect(one.page.locator("#stem-list .row")).to_have_count(1)
