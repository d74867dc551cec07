"""Which colours a picture has on a light page, on a dark one, and where nobody knows."""

from __future__ import annotations

from attrs import evolve, frozen

from waveflow.entrypoints.pictures.colours import BLACK, WHITE, Colour, contrast, parse_colour

THEMES = ("auto", "light", "dark")
_BODY_SHARE = 0.3


@frozen
class Theme:
    """The colours of a picture.

    Attributes:
        wave: from the lowest to the highest sample.
        body: within that, as far as the RMS value goes.
        ink: of axis and title.
    """

    wave: Colour
    body: Colour
    ink: Colour


def _theme(wave: str, body: str, ink: str) -> Theme:
    return Theme(parse_colour(wave), parse_colour(body), parse_colour(ink))


LIGHT = _theme("#6390f5", "#2f57d6", "#59636e")
DARK = _theme("#4a7de8", "#9dbdff", "#9198a1")
EITHER = _theme("#4a86f0", "#2d61e2", "#767b82")
"""Mid tones: a PNG doesn't learn what it lies on. Tests hold the contrast of all three."""


@frozen
class Style:
    """What was asked for.

    Attributes:
        theme: one of `THEMES`.
        wave: colour of the wave instead of the theme's.
        background: None is transparent.
    """

    theme: str = "auto"
    wave: Colour | None = None
    background: Colour | None = None

    def themes(self) -> tuple[Theme, Theme | None]:
        """The colours to draw in, and those for dark pages where these depend on the page.

        A picture that brings its own background knows what it lies on.
        """
        named = {"light": LIGHT, "dark": DARK}.get(self.theme)
        if named is None and self.background is not None:
            is_light = contrast(self.background, BLACK) > contrast(self.background, WHITE)
            named = LIGHT if is_light else DARK
        if named is not None:
            return self._in(named), None
        return self._in(LIGHT), self._in(DARK)

    def fixed(self) -> Theme:
        """The colours for a picture that can't change with the page."""
        theme, dark = self.themes()
        return theme if dark is None else self._in(EITHER)

    def _in(self, theme: Theme) -> Theme:
        if self.wave is None:
            return theme
        brighter = theme.body.luminance > theme.wave.luminance
        body = self.wave.mixed(WHITE if brighter else BLACK, _BODY_SHARE)
        return evolve(theme, wave=self.wave, body=body)
