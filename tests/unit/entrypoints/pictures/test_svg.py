"""SVG: valid, small, readable to those who don't see it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.entrypoints.pictures.waves import SVG, Files, square, wave_of
from waveflow.entrypoints.pictures.colours import parse_colour
from waveflow.entrypoints.pictures.layout import lay_out
from waveflow.entrypoints.pictures.render import Wish, render
from waveflow.entrypoints.pictures.svg import svg
from waveflow.entrypoints.pictures.texts import plain
from waveflow.entrypoints.pictures.themes import DARK, LIGHT, Style


def points(path: str) -> list[list[tuple[float, float]]]:
    """The corners of each outline of a path, in absolute coordinates."""
    outlines = []
    for outline in path.split("z")[:-1]:
        start, moves = outline.removeprefix("M").split("l")
        numbers = [
            [float(number) for number in re.findall(r"-?(?:\d+\.\d+|\.\d+|\d+)", part)]
            for part in (start, moves)
        ]
        x, y = numbers[0]
        corners = [(x, y)]
        for dx, dy in zip(numbers[1][::2], numbers[1][1::2], strict=True):
            x, y = round(x + dx, 6), round(y + dy, 6)
            corners.append((x, y))
        outlines.append(corners)
    return outlines


def wave_path(picture: ET.Element, name: str = "wave") -> str:
    [path] = picture.findall(f"{SVG}path[@class='waveflow-{name}']")
    return path.attrib["d"]


def drawn(low: list[float], high: list[float], *, height: int = 101) -> str:
    """The path of one wave, a column each 10 pixels wide."""
    wave = wave_of([low], [high])
    layout = lay_out(wave, 10 * len(low), height, axis=False, title=False)
    return wave_path(ET.fromstring(svg(wave, layout, Style(), "t", "d")))


class TestOutline:
    def test_it_goes_along_the_highest_and_back_along_the_lowest_values(self) -> None:
        [corners] = points(drawn([-1.0, 0.0], [1.0, 0.5]))
        assert corners == [
            (0, 0.5),
            (5, 0.5),
            (15, 25.5),
            (20, 25.5),
            (20, 50.5),
            (15, 50.5),
            (5, 100.5),
            (0, 100.5),
        ]

    def test_coordinates_take_as_few_letters_as_there_can_be(self) -> None:
        assert drawn([-0.5, 0.3], [0.5, 0.3]) == "M0 25.5l5 0 10 10 5 0-5 0-10 40-5 0z"

    def test_what_goes_on_in_one_direction_is_one_step(self) -> None:
        assert drawn([0.0] * 100, [0.0] * 100) == "M0 50.5l5 0 990 0 5 0-5 0-990 0-5 0z"

    @given(st.lists(st.floats(-2, 2), min_size=1, max_size=40))
    def test_rounding_never_adds_up(self, values: list[float]) -> None:
        [corners] = points(drawn(values, values))
        count = len(values)
        across = [
            (10 * at + 5, 50.5 - 50 * max(-1, min(1, each))) for at, each in enumerate(values)
        ]
        # Corners on a straight line are left out, so not every point is one.
        upper = np.array(corners[: _turn(corners, 10 * count)])
        reached = np.interp([x for x, _ in across], upper[:, 0], upper[:, 1])
        np.testing.assert_allclose(reached, [y for _, y in across], atol=0.0501)

    def test_the_body_stays_inside_the_wave(self) -> None:
        wave = wave_of([[-0.2, 0.4]], [[0.6, 0.8]], [[0.3, 0.6]])
        layout = lay_out(wave, 20, 101, axis=False, title=False)
        picture = ET.fromstring(svg(wave, layout, Style(), "t", "d"))
        [corners] = points(wave_path(picture, "body"))
        assert {y for _, y in corners} == {35.5, 60.5, 20.5, 30.5}

    def test_few_points_are_drawn_by_a_stronger_pen(self, files: Files) -> None:
        for samples, pen in ((np.array([0.1, 0.5]), "1.5"), (square(), None)):
            picture = files.svg(samples, width=100, height=51)
            [path] = picture.findall(f"{SVG}path")[:1]
            assert path.get("stroke-width") == pen

    def test_lanes_are_outlines_of_one_path(self, files: Files) -> None:
        both = np.stack([square(), np.zeros(8000)], axis=1)
        picture = files.svg(both, width=100, height=102, split_channels=True)
        upper, lower = points(wave_path(picture))
        assert (min(y for _, y in upper), max(y for _, y in upper)) == (0.5, 46.5)
        assert {y for _, y in lower} == {76.5}


def _turn(corners: list[tuple[float, float]], right: float) -> int:
    """How many corners there are up to the right edge."""
    return next(at for at, (x, _) in enumerate(corners, 1) if x == right)


class TestDocument:
    def test_it_says_what_it_is(self, files: Files) -> None:
        picture = files.svg(square(2), width=300, height=80)
        assert picture.tag == f"{SVG}svg"
        assert picture.attrib == {
            "width": "300",
            "height": "80",
            "viewBox": "0 0 300 80",
            "role": "img",
        }
        assert [child.tag for child in picture[:2]] == [f"{SVG}title", f"{SVG}desc"]
        assert picture.findtext(f"{SVG}title") == "song.wav"
        assert picture.findtext(f"{SVG}desc") == "Waveform: 0:02.0, mono, peak 0.0 dBFS."

    @pytest.mark.parametrize(
        ("samples", "described"),
        [
            (np.zeros((8000, 2)), "Waveform: 0:01.0, stereo, silence."),
            (np.full((800, 5), 0.5), "Waveform: 0:00.1, 5 channels."),
        ],
    )
    def test_the_wave_is_described(self, files: Files, samples: np.ndarray, described: str) -> None:
        assert files.svg(samples, width=30, height=30).findtext(f"{SVG}desc") == described

    @pytest.mark.parametrize(
        "name",
        [
            "드럼 (최종).wav",
            "<script>alert(1)</script>&amp;.wav",
            "a\x01b\x1b[31m\x7f\u0085.wav",
            "tab\tnew\nline.wav",
            "\udcff\udc80.wav",
            "😀￾.wav",
            "]]> \"quoted\" 'twice'.wav",
        ],
    )
    def test_any_file_name_is_a_title(self, tmp_path: Path, files: Files, name: str) -> None:
        source = files.audio(square()).rename(tmp_path / name.replace("/", "-"))
        content = render(source, Wish("svg", title=source.name)).content
        picture = ET.fromstring(content)
        title = picture.findtext(f"{SVG}title")
        assert title == picture.findtext(f"{SVG}text") == plain(source.name)
        assert [child for child in picture.iter() if "script" in child.tag] == []

    @given(st.text())
    def test_any_text_is_valid_in_it(self, text: str) -> None:
        wave = wave_of([[0.0]], [[0.0]])
        layout = lay_out(wave, 50, 60, axis=False, title=True)
        picture = ET.fromstring(svg(wave, layout, Style(), plain(text), "d"))
        assert (picture.findtext(f"{SVG}title") or "") == plain(text)

    def test_a_long_title_is_cut_where_it_is_drawn_and_only_there(self, files: Files) -> None:
        title = "A title of many words, " * 9
        picture = files.svg(square(), width=200, height=80, title=title)
        assert picture.findtext(f"{SVG}title") == title.strip()
        assert picture.findtext(f"{SVG}text") == "A title of many words, A…"

    def test_the_same_wave_gives_the_same_bytes(self, files: Files) -> None:
        source = files.audio(square())
        assert render(source, Wish("svg")).content == render(source, Wish("svg")).content

    def test_it_is_small(self, files: Files) -> None:
        rng = np.random.default_rng(4)
        source = files.audio(rng.normal(size=400_000) * 0.2)
        assert len(render(source, Wish("svg")).content) < 35_000


class TestColours:
    def test_auto_changes_with_the_page(self, files: Files) -> None:
        picture = files.svg(square(), width=100, height=50)
        [path] = picture.findall(f"{SVG}path[@class='waveflow-wave']")
        assert path.attrib["fill"] == path.attrib["stroke"] == LIGHT.wave.hex
        style = picture.findtext(f"{SVG}style") or ""
        assert style.startswith("@media(prefers-color-scheme:dark){")
        assert f".waveflow-wave{{fill:{DARK.wave.hex};stroke:{DARK.wave.hex}}}" in style
        assert f".waveflow-ink{{fill:{DARK.ink.hex}}}" in style
        assert picture.find(f"{SVG}rect") is None

    def test_a_named_theme_needs_no_style(self, files: Files) -> None:
        picture = files.svg(square(), width=100, height=50, style=Style("dark"))
        assert picture.find(f"{SVG}style") is None
        assert picture.findall(f"{SVG}path")[0].attrib["fill"] == DARK.wave.hex

    def test_a_background_lies_below_everything(self, files: Files) -> None:
        style = Style(wave=parse_colour("orange"), background=parse_colour("#123"))
        picture = files.svg(square(), width=100, height=50, style=style)
        rectangle = picture.find(f"{SVG}rect")
        assert rectangle is not None
        assert rectangle.attrib == {"width": "100", "height": "50", "fill": "#112233"}
        assert list(picture).index(rectangle) < min(
            at for at, child in enumerate(picture) if child.tag == f"{SVG}path"
        )
        assert picture.find(f"{SVG}style") is None

    def test_a_colour_of_ones_own_stays_on_dark_pages(self, files: Files) -> None:
        style = Style(wave=parse_colour("orange"))
        picture = files.svg(square(), width=100, height=50, style=style)
        assert ".waveflow-wave" not in (picture.findtext(f"{SVG}style") or "")


class TestPadding:
    def test_the_picture_is_moved_and_the_background_is_not(self, files: Files) -> None:
        style = Style(background=parse_colour("#123"))
        picture = files.svg(square(), width=120, height=71, padding=10, style=style)
        assert picture.attrib["viewBox"] == "0 0 120 71"
        _, _, rectangle, group = picture
        assert (rectangle.attrib["width"], rectangle.attrib["height"]) == ("120", "71")
        assert group.attrib == {"transform": "translate(10 10)"}
        [corners] = points(wave_path(group))
        assert (min(corners), max(corners)) == ((0, 0.5), (100, 50.5))


class TestAxis:
    def test_ticks_and_labels_are_where_their_times_are(self, files: Files) -> None:
        picture = files.svg(np.zeros(80_000), width=400, height=100, axis=True)
        labels = [
            (text.get("x", "0"), text.get("text-anchor", "start"), text.text)
            for text in picture.iter(f"{SVG}text")
        ]
        assert labels == [
            ("0", "start", "0:00"),
            ("80.0", "middle", "0:02"),
            ("160.0", "middle", "0:04"),
            ("240.0", "middle", "0:06"),
            ("320.0", "middle", "0:08"),
            ("400.0", "end", "0:10"),
        ]
        marks = picture.findall(f"{SVG}g/{SVG}path")[0].attrib["d"]
        assert re.findall(r"M(\d+) 77h1v5h-1z", marks) == ["0", "80", "160", "240", "320", "399"]

    def test_a_reader_of_screens_is_spared_the_labels(self, files: Files) -> None:
        picture = files.svg(square(), width=400, height=100, axis=True, title="Song")
        for drawn_text in (picture.find(f"{SVG}g"), picture.find(f"{SVG}text")):
            assert drawn_text is not None
            assert drawn_text.attrib["aria-hidden"] == "true"
