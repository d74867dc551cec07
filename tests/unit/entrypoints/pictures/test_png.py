"""PNG, pixel by pixel."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.unit.entrypoints.pictures.waves import Files, alpha, colours, opened, square
from waveflow.domain.errors import InvalidMessage, PermanentError
from waveflow.entrypoints.pictures.colours import WHITE, parse_colour
from waveflow.entrypoints.pictures.render import Wish, render
from waveflow.entrypoints.pictures.themes import DARK, EITHER, LIGHT, Style, Theme


class TestWave:
    def test_full_scale_fills_every_column_from_top_to_bottom(self, files: Files) -> None:
        assert (files.opacity(square(), width=200, height=51) == 255).all()

    def test_of_an_even_height_the_last_row_stays_free(self, files: Files) -> None:
        shown = files.opacity(square(), width=200, height=50)
        assert (shown[:49] == 255).all()
        assert (shown[49] == 0).all()

    def test_silence_is_one_line_in_the_middle(self, files: Files) -> None:
        shown = files.opacity(np.zeros(8000), width=100, height=51)
        assert (shown[25] == 255).all()
        assert (np.delete(shown, 25, axis=0) == 0).all()

    def test_half_of_full_scale_fills_half_the_height(self, files: Files) -> None:
        shown = files.opacity(square(level=0.5), width=100, height=101)
        assert np.flatnonzero(shown[:, 50] == 255).tolist() == list(range(25, 76))

    def test_the_upper_half_is_what_is_positive(self, files: Files) -> None:
        shown = files.opacity(np.tile([0.0, 1.0], 4000), width=100, height=51)
        assert (shown[:26] == 255).all()
        assert (shown[26:] == 0).all()

    def test_a_burst_begins_and_ends_at_its_columns(self, files: Files) -> None:
        burst = np.concatenate([np.zeros(4000), square(1.0), np.zeros(4000)])
        shown = files.opacity(burst, width=400, height=51)
        loud = np.flatnonzero((shown == 255).all(axis=0))
        assert loud.tolist() == list(range(100, 300))
        assert (np.delete(shown, loud, axis=1)[:25] == 0).all()

    def test_an_edge_between_two_rows_covers_part_of_one(self, files: Files) -> None:
        shown = files.opacity(square(level=0.51), width=100, height=101)
        assert 100 < shown[24, 50] < 155
        assert shown[24, 50] == shown[76, 50]

    def test_what_exceeds_full_scale_ends_at_the_edge(self, files: Files) -> None:
        assert (files.opacity(square(level=4.0), width=100, height=51) == 255).all()

    def test_quiet_audio_stays_small_unless_it_is_normalised(self, files: Files) -> None:
        quiet = square(level=0.01)
        assert (files.opacity(quiet, width=100, height=51)[:24] == 0).all()
        assert (files.opacity(quiet, width=100, height=51, normalised=True) == 255).all()

    def test_silence_stays_silence_when_it_is_normalised(self, files: Files) -> None:
        shown = files.opacity(np.zeros(8000), width=100, height=51, normalised=True)
        assert (shown[:25] == 0).all()

    def test_a_steep_wave_has_no_gaps(self, files: Files) -> None:
        # Half a period takes 50 columns; each holds two samples, all of the same sign.
        slow = np.where(np.arange(800) % 200 < 100, 0.9, -0.9)
        shown = files.opacity(slow, width=400, height=101)
        assert (shown[:, 49:51].max(axis=1)[6:95] > 0).all()


class TestFewSamples:
    def test_a_single_sample_is_a_level(self, files: Files) -> None:
        shown = files.opacity(np.array([0.5]), width=100, height=101)
        assert (shown[25] == 255).all()
        assert (shown[:24] == 0).all()
        assert (shown[27:] == 0).all()

    def test_few_samples_are_joined_by_lines(self, files: Files) -> None:
        shown = files.opacity(np.array([-1.0, 1.0]), width=100, height=101)
        assert (shown.max(axis=0) > 200).all()
        # Samples lie in the middle of their share: at 25 and at 75; half way is silence.
        assert shown[50, 50] > 200
        assert shown[100, 10] == shown[0, 90] == 255
        assert (shown[:40, :50] == 0).all()

    def test_no_sample_at_all_is_silence(self, files: Files) -> None:
        shown = files.opacity(np.zeros(0), width=100, height=51)
        assert (shown[25] == 255).all()
        assert (shown[:24] == 0).all()


class TestSizes:
    @pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 500), (500, 1), (3, 2)])
    def test_even_the_smallest_picture_shows_something(
        self, files: Files, width: int, height: int
    ) -> None:
        shown = files.opacity(square(), width=width, height=height, axis=None)
        assert shown.shape == (height, width)
        assert (shown[0] == 255).all()

    def test_a_wide_picture_has_columns_of_its_own(self, files: Files) -> None:
        samples = np.zeros(20_000)
        samples[19_999] = 1.0
        shown = files.opacity(samples, width=20_000, height=21)
        assert np.flatnonzero(shown[0]).tolist() == [19_999]

    def test_a_high_picture_is_drawn_some_columns_at_a_time(self, files: Files) -> None:
        assert (files.opacity(square(), width=900, height=2001) == 255).all()


class TestPadding:
    def test_it_is_free_on_all_sides(self, files: Files) -> None:
        shown = files.opacity(square(), width=100, height=71, padding=10)
        assert shown.shape == (71, 100)
        assert (shown[10:61, 10:90] == 255).all()
        assert np.count_nonzero(shown) == 51 * 80

    def test_texts_on_a_background_get_some_by_themselves(self, files: Files) -> None:
        style = Style(background=WHITE)
        for wishes, edge in (({"axis": True}, 14), ({"title": "Song"}, 14), ({}, 0)):
            shown = colours(files.png(square(), width=200, height=100, style=style, **wishes))
            columns = np.flatnonzero((shown != 255).any(axis=(0, 2)))
            assert (columns[0], columns[-1]) == (edge, 199 - edge)

    def test_one_that_leaves_no_room_is_refused(self, files: Files) -> None:
        with pytest.raises(InvalidMessage, match=r"A padding of 10 pixels .* 21 pixels wide"):
            files.png(square(), width=20, height=71, padding=10)
        with pytest.raises(InvalidMessage, match=r"a padding of 10 pixels; .* 21 pixels high"):
            files.png(square(), width=200, height=20, padding=10)


class TestChannels:
    def test_they_are_drawn_as_their_mean(self, files: Files) -> None:
        opposite = np.stack([square(), -square()], axis=1)
        assert (files.opacity(opposite, width=100, height=51)[:25] == 0).all()

    def test_each_gets_a_lane_when_they_are_split(self, files: Files) -> None:
        both = np.stack([square(), np.zeros(8000)], axis=1)
        shown = files.opacity(both, width=100, height=102, split_channels=True)
        filled = np.flatnonzero((shown == 255).all(axis=1))
        assert filled.tolist() == [*range(47), 76]

    def test_32_lanes_need_a_certain_height(self, files: Files) -> None:
        many = np.zeros((800, 32))
        shown = files.opacity(many, width=100, height=96, split_channels=True)
        assert len(np.flatnonzero((shown == 255).all(axis=1))) == 32
        with pytest.raises(InvalidMessage) as refused:
            files.png(many, width=100, height=95, split_channels=True)
        assert str(refused.value) == (
            "There is no room for 32 channels; make the picture at least 96 pixels high (--height)."
        )


class TestColours:
    def test_it_is_transparent_in_mid_tones(self, files: Files) -> None:
        image = opened(files.png(np.zeros(8000), width=100, height=51)).convert("RGBA")
        assert image.getpixel((50, 25)) == (*EITHER.wave.rgb, 255)
        assert image.getpixel((50, 0))[3] == 0  # type: ignore[index]

    @pytest.mark.parametrize(("name", "theme"), [("light", LIGHT), ("dark", DARK)])
    def test_a_theme_has_its_own_colours(self, files: Files, name: str, theme: Theme) -> None:
        content = files.png(np.zeros(8000), width=100, height=51, style=Style(name))
        assert tuple(colours(content)[25, 50]) == theme.wave.rgb

    def test_a_background_is_opaque_and_the_wave_is_blended_with_it(self, files: Files) -> None:
        style = Style(wave=parse_colour("#ff0000"), background=parse_colour("#0000ff"))
        content = files.png(square(0.5, level=0.51), width=100, height=101, style=style)
        assert (alpha(content) == 255).all()
        column = colours(content)[:, 50].tolist()
        assert column[0] == [0, 0, 255]
        assert column[50] == [255, 0, 0]
        red, green, blue = column[24]
        assert (green, red + blue) == (0, pytest.approx(255, abs=1))
        assert 100 < red < 155

    def test_the_body_reaches_as_far_as_the_rms_level(self, files: Files) -> None:
        # One sample of sixteen at full scale: the RMS level is a quarter of that.
        samples = np.where(np.arange(16_000) % 16 == 0, np.where(np.arange(16_000) % 32, -1, 1), 0)
        content = files.png(samples.astype(float), width=100, height=101)
        column = colours(content)[:, 50]
        body = np.flatnonzero((column == EITHER.body.rgb).all(axis=1))
        wave = np.flatnonzero((column == EITHER.wave.rgb).all(axis=1))
        assert (body[0], body[-1]) == (38, 62)
        assert (wave[0], wave[-1]) == (0, 100)

    def test_columns_of_less_than_10_ms_have_no_body(self, files: Files) -> None:
        for seconds, has_body in ((0.99, False), (1.0, True)):
            content = files.png(square(seconds), width=100, height=101)
            shown = set(map(tuple, colours(content)[:, 50].tolist()))
            assert (EITHER.body.rgb in shown) is has_body


class TestTexts:
    def test_an_axis_is_drawn_where_there_is_room(self, files: Files) -> None:
        with_axis = files.opacity(np.zeros(8000), width=200, height=100, axis=None)
        assert with_axis[90:].any()
        assert (with_axis[77:82, 0] == 255).all()
        for width, height in ((200, 60), (90, 100)):
            shown = files.opacity(np.zeros(8000), width=width, height=height, axis=None)
            assert not shown[height // 2 + 2 :].any()

    def test_an_axis_that_was_asked_for_needs_room(self, files: Files) -> None:
        assert files.opacity(np.zeros(8000), width=200, height=24, axis=True).any()
        with pytest.raises(InvalidMessage, match="no room for 1 channel and a time axis; make the"):
            files.png(np.zeros(8000), width=200, height=23, axis=True)

    def test_a_title_is_above_the_wave(self, files: Files) -> None:
        shown = files.opacity(np.zeros(8000), width=300, height=100, title="Drums")
        assert shown[4:16, :50].any()
        assert not shown[:, 60:].sum(axis=1)[:20].any()
        with pytest.raises(InvalidMessage, match=r"1 channel and a title; .* 27 pixels"):
            files.png(np.zeros(8000), width=300, height=26, title="Drums")

    def test_a_blank_title_is_none(self, files: Files) -> None:
        shown = files.opacity(np.zeros(8000), width=300, height=101, title=" \n ")
        assert (shown[50] == 255).all()

    def test_a_long_title_ends_with_an_ellipsis_inside_the_picture(self, files: Files) -> None:
        long = files.opacity(np.zeros(8000), width=150, height=100, title="a long title " * 9)
        assert not long[:20, 149].any()
        assert long[:20, 120:].any()
        assert not files.opacity(np.zeros(8000), width=2, height=100, title="W" * 9)[:20].any()

    def test_a_title_that_no_font_here_can_write_is_refused(self, files: Files) -> None:
        with pytest.raises(InvalidMessage, match="No font was found here that can write"):
            files.png(np.zeros(8000), width=300, height=100, title="\U000e0fff\ufdff")

    def test_the_last_label_stays_inside(self, files: Files) -> None:
        shown = files.opacity(np.zeros(80_000), width=600, height=100, axis=True)
        assert shown[83:, 575:600].any()


class TestFile:
    def test_title_and_description_are_in_the_metadata(self, files: Files) -> None:
        source = files.audio(square(2)).rename(files.folder / "드럼 (최종).wav")
        image = opened(render(source, Wish("png", 200, 50)).content)
        assert image.info["Title"] == "드럼 (최종).wav"
        assert image.info["Description"] == "Waveform: 0:02.0, mono, peak 0.0 dBFS."
        assert image.info["Software"] == "WaveFlow"

    def test_one_byte_a_pixel_keeps_it_small(self, files: Files) -> None:
        rng = np.random.default_rng(4)
        content = files.png(rng.normal(size=400_000) * 0.2, width=1200, height=240)
        assert opened(content).mode == "P"
        assert len(content) < 40_000

    def test_the_same_wave_gives_the_same_bytes(self, files: Files) -> None:
        assert files.png(square(), width=99, height=40) == files.png(square(), width=99, height=40)

    def test_without_pillow_it_says_what_to_do(
        self, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(PermanentError) as refused:
            files.png(square(), width=99, height=40)
        assert refused.value.code == "pillow_missing"
        assert "pip install pillow" in str(refused.value)
        assert ".svg" in str(refused.value)
        assert files.svg(square(), width=99, height=40) is not None
