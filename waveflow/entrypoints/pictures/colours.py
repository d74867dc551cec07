"""Colours: how they are written, and how well one can be told from another."""

from __future__ import annotations

import re

from attrs import frozen

from waveflow.entrypoints.pictures.colour_names import HEX_OF_NAME

_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*\)")
_MOST = 255
_LINEAR_BELOW = 0.04045


@frozen
class Colour:
    """A colour of sRGB, 0 to 255 each."""

    red: int
    green: int
    blue: int

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green, blue."""
        return self.red, self.green, self.blue

    @property
    def hex(self) -> str:
        """As SVG and CSS have it: `#3b82f6`."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """Relative luminance, 0.0 (black) to 1.0 (white), as WCAG 2.2 defines it."""
        red, green, blue = (_linear(value / _MOST) for value in self.rgb)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def mixed(self, other: Colour, share: float) -> Colour:
        """This colour with a share of another, 0.0 to 1.0, in it."""
        pairs = zip(self.rgb, other.rgb, strict=True)
        return Colour(*(round(own + (its - own) * share) for own, its in pairs))


BLACK = Colour(0, 0, 0)
WHITE = Colour(_MOST, _MOST, _MOST)


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of WCAG 2.2, 1.0 to 21.0: 3 makes graphics visible, 4.5 text readable."""
    darker, lighter = sorted((one.luminance, other.luminance))
    return (lighter + 0.05) / (darker + 0.05)


def parse_colour(text: str) -> Colour:
    """A colour as CSS writes it: a name, `#rgb`, `#rrggbb` or `rgb(r, g, b)`.

    Raises:
        ValueError: when it is none, with a sentence that lists the forms.
    """
    written = text.strip().lower()
    written = f"#{HEX_OF_NAME[written]}" if written in HEX_OF_NAME else written
    if _HEX.fullmatch(written):
        digits = written[1:] if len(written) > 4 else "".join(2 * digit for digit in written[1:])
        return Colour(*bytes.fromhex(digits))
    values = [int(value) for value in getattr(_RGB.fullmatch(written), "groups", tuple)()]
    if not values or max(values) > _MOST:
        raise ValueError(
            f"{text!r} is not a colour; write a name such as orange, #f80, #ff8800 or"
            " rgb(255, 136, 0)."
        )
    return Colour(*values)


def _linear(value: float) -> float:
    return value / 12.92 if value <= _LINEAR_BELOW else ((value + 0.055) / 1.055) ** 2.4
