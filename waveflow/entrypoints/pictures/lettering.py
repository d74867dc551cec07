"""Texts in a PNG, by Pillow's own font, or by one of the system's for scripts that it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waveflow.domain.errors import InvalidMessage

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "NanumGothic.ttf",
    "AppleSDGothicNeo.ttc",
    "AppleGothic.ttf",
    "malgun.ttf",
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
)
"""Found by name where the system keeps its fonts."""
_KOREAN_IN_NOTO = 1
_NOBODY = "\U0010fffe"
"""A character that no font has."""


def font_for(text: str, letter_px: int) -> FreeTypeFont:
    """A font that has every character of `text`.

    Raises:
        InvalidMessage: when none here does.
    """
    from PIL import ImageFont

    own = ImageFont.load_default(letter_px)
    assert isinstance(own, ImageFont.FreeTypeFont)
    if _has_all(own, text):
        return own
    for name in _SYSTEM_FONTS:
        index = _KOREAN_IN_NOTO if name.startswith("NotoSansCJK") else 0
        try:
            font = ImageFont.truetype(name, letter_px, index)
        except OSError:  # It isn't installed.
            continue
        if _has_all(font, text):
            return font
    raise InvalidMessage(
        f"No font was found here that can write {text!r}. Install one (fonts-noto-cjk has Korean,"
        " Chinese and Japanese), or make an .svg, which leaves that to the browser."
    )


def write(
    draw: ImageDraw, x: float, baseline: float, text: str, font: FreeTypeFont, anchor: str
) -> None:
    """Write white text: from `x` ("l"), around it ("m") or up to it ("r")."""
    draw.text((x, baseline), text, fill=255, font=font, anchor=f"{anchor}s")


def fitted(text: str, font: FreeTypeFont, width_px: float) -> str:
    """As much of `text` as fits into a width, ended by an ellipsis where it is cut."""
    if font.getlength(text) <= width_px:
        return text
    kept = text
    while kept and font.getlength(kept.rstrip() + "…") > width_px:
        kept = kept[:-1]
    return kept.rstrip() + "…" if kept else ""


def _has_all(font: FreeTypeFont, text: str) -> bool:
    missing = bytes(font.getmask(_NOBODY))
    return all(each.isspace() or bytes(font.getmask(each)) != missing for each in set(text))
