"""Texts in a picture: what of them can be written, and how much fits."""

from __future__ import annotations

import re
import unicodedata

_NO_TEXT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\x7f-\x9f]")
"""What XML 1.0 has no place for, the halves of undecodable file names among it, and controls."""

_NARROW_EM, _WIDE_EM = 0.56, 1.0


def plain(text: str) -> str:
    """`text` on one line, with a sign in place of each character that stands for nothing."""
    return " ".join(_NO_TEXT.sub("\ufffd", text).split())


def shortened(text: str, width_px: float, letter_px: float) -> str:
    """As much of `text` as surely fits into a width, ended by an ellipsis where it is cut."""
    if _width_em(text) * letter_px <= width_px:
        return text
    kept = text
    while kept and _width_em(kept + "…") * letter_px > width_px:
        kept = kept[:-1]
    return kept.rstrip() + "…" if kept else ""


def _width_em(text: str) -> float:
    """A generous guess: nobody knows the fonts of those who look."""
    return sum(
        _WIDE_EM if unicodedata.east_asian_width(each) in "WF" else _NARROW_EM for each in text
    )
