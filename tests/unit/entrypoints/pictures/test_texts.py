"""Texts in pictures: one line, nothing that can't be written, no longer than there is room."""

from __future__ import annotations

import pytest
from PIL import ImageFont

from waveflow.domain.errors import InvalidMessage
from waveflow.entrypoints.pictures import lettering
from waveflow.entrypoints.pictures.lettering import fitted, font_for
from waveflow.entrypoints.pictures.texts import plain, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  a \n b\tc ", "a b c"),
        ("a\x00b\x1bc\x7fd\u0085e", "a\ufffdb\ufffdc\ufffdd\ufffde"),
        ("\udcffx\uffff", "\ufffdx\ufffd"),
        ("드럼 (최종) 😀", "드럼 (최종) 😀"),
        ("", ""),
    ],
)
def test_a_text_is_one_line_of_what_can_be_written(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "width_px", "shown"),
    [
        ("drums", 100, "drums"),
        ("drums and bass", 65, "drums a…"),
        ("드럼과 베이스", 60, "드럼과…"),
        ("drums", 1, ""),
        ("", 0, ""),
    ],
)
def test_what_has_no_room_is_cut(text: str, width_px: float, shown: str) -> None:
    assert shortened(text, width_px, 14) == shown


def test_pillows_own_font_writes_what_it_has() -> None:
    font = font_for("Drums (1).wav 0:24", 14)
    assert font.getname()[0] == "Aileron"
    assert fitted("Drums", font, 1000) == "Drums"
    assert fitted("Drums", font, 0) == ""


def test_other_scripts_are_written_by_a_font_of_the_system_that_has_them() -> None:
    try:
        ImageFont.truetype("NotoSansCJK-Regular.ttc", 14)
    except OSError:
        pytest.skip("the font isn't installed")
    assert font_for("드럼", 14).getname()[0] == "Noto Sans CJK KR"


def test_without_such_a_font_it_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "_SYSTEM_FONTS", ("No Such Font.ttf",))
    with pytest.raises(InvalidMessage) as refused:
        font_for("드럼", 14)
    assert str(refused.value) == (
        "No font was found here that can write '드럼'. Install one (fonts-noto-cjk has Korean,"
        " Chinese and Japanese), or make an .svg, which leaves that to the browser."
    )
