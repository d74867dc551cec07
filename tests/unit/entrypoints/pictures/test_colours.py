"""How colours are written, how they differ, and that those of the themes can be seen."""

from __future__ import annotations

import pytest
from PIL import ImageColor

from waveflow.entrypoints.pictures.colour_names import HEX_OF_NAME
from waveflow.entrypoints.pictures.colours import BLACK, WHITE, Colour, contrast, parse_colour
from waveflow.entrypoints.pictures.themes import DARK, EITHER, LIGHT, Style, Theme

NEAR_BLACK = parse_colour("#0d1117")
ORANGE = parse_colour("orange")


class TestWriting:
    @pytest.mark.parametrize(
        ("text", "rgb"),
        [
            ("#f80", (255, 136, 0)),
            ("#Ff8800", (255, 136, 0)),
            ("rgb(255, 136, 0)", (255, 136, 0)),
            ("rgb(255 136 0)", (255, 136, 0)),
            (" Tomato ", (255, 99, 71)),
            ("grey", (128, 128, 128)),
        ],
    )
    def test_a_colour_is_written_as_in_css(self, text: str, rgb: tuple[int, int, int]) -> None:
        assert parse_colour(text).rgb == rgb

    def test_the_names_are_those_of_css(self) -> None:
        assert {name: f"#{digits}" for name, digits in HEX_OF_NAME.items()} == ImageColor.colormap

    @pytest.mark.parametrize(
        "text", ["", "#", "#12", "#1234", "#ggg", "rgb(1,2)", "rgb(256,0,0)", "blurple", "#12345é"]
    )
    def test_what_is_none_is_refused_with_the_forms_that_there_are(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a colour; write a name such as orange, #f80"):
            parse_colour(text)

    def test_it_is_handed_on_as_six_digits(self) -> None:
        assert Colour(1, 16, 255).hex == "#0110ff"


class TestContrast:
    @pytest.mark.parametrize(
        ("one", "other", "ratio"),
        [("black", "white", 21.0), ("#777777", "white", 4.48), ("red", "red", 1.0)],
    )
    def test_it_is_the_ratio_of_wcag(self, one: str, other: str, ratio: float) -> None:
        assert contrast(parse_colour(one), parse_colour(other)) == pytest.approx(ratio, abs=0.005)

    @pytest.mark.parametrize(
        ("theme", "pages"),
        [(LIGHT, [WHITE]), (DARK, [BLACK, NEAR_BLACK]), (EITHER, [WHITE, BLACK, NEAR_BLACK])],
    )
    def test_waves_and_bodies_can_be_seen_on_their_pages(
        self, theme: Theme, pages: list[Colour]
    ) -> None:
        for page in pages:
            assert contrast(theme.wave, page) >= 3
            # On the dark a body may lie between, but never without its wave around it.
            assert contrast(theme.body, page) >= 3

    @pytest.mark.parametrize(("theme", "page"), [(LIGHT, WHITE), (DARK, BLACK), (DARK, NEAR_BLACK)])
    def test_texts_can_be_read(self, theme: Theme, page: Colour) -> None:
        assert contrast(theme.ink, page) >= 4.5

    def test_on_an_unknown_page_texts_are_as_good_as_one_colour_can_be_for_both(self) -> None:
        # No colour reaches 4.5 on white and on #0d1117: the square root of their ratio is 4.35.
        assert contrast(EITHER.ink, WHITE) >= 4.2
        assert contrast(EITHER.ink, NEAR_BLACK) >= 4.2

    @pytest.mark.parametrize("theme", [LIGHT, DARK, EITHER])
    def test_a_body_stands_out_from_its_wave(self, theme: Theme) -> None:
        assert contrast(theme.body, theme.wave) >= 1.5


class TestStyle:
    def test_auto_has_colours_for_both_kinds_of_pages(self) -> None:
        assert Style().themes() == (LIGHT, DARK)
        assert Style().fixed() == EITHER

    @pytest.mark.parametrize(("name", "theme"), [("light", LIGHT), ("dark", DARK)])
    def test_a_theme_that_was_named_is_kept_on_any_background(
        self, name: str, theme: Theme
    ) -> None:
        assert Style(name).themes() == (theme, None)
        assert Style(name, background=ORANGE).fixed() == theme

    @pytest.mark.parametrize(
        ("background", "theme"),
        [("white", LIGHT), ("#eee", LIGHT), ("black", DARK), ("#333", DARK)],
    )
    def test_a_background_tells_auto_which_theme_suits_it(
        self, background: str, theme: Theme
    ) -> None:
        assert Style(background=parse_colour(background)).themes() == (theme, None)

    def test_a_colour_of_ones_own_is_the_waves_and_its_body_is_made_of_it(self) -> None:
        light, dark = Style(wave=ORANGE).themes()
        assert dark is not None
        assert light.wave == dark.wave == Style(wave=ORANGE).fixed().wave == ORANGE
        assert light.body.luminance < ORANGE.luminance < dark.body.luminance
        assert (light.ink, dark.ink) == (LIGHT.ink, DARK.ink)
