"""How large pictures and their parts are, in pixels."""

from __future__ import annotations

DEFAULT_WIDTH, DEFAULT_HEIGHT = 1200, 240
MOST_WIDTH, MOST_HEIGHT = 20_000, 5_000
"""One byte a pixel: 100 MB. Browsers show no image that is much larger."""

PEN_PX = 1.0
POINTS_PEN_PX = 1.5
"""Where the wave has fewer points than the picture has columns, and is a line between them."""

PADDING_PX = 14
MOST_PADDING = 500

AXIS_PX = 23
TICK_PX = 5
LETTER_PX = 11
LABEL_BASELINE_PX = 17
"""From the wave's lower edge to the line that labels stand on."""

TITLE_PX = 26
TITLE_LETTER_PX = 14
TITLE_BASELINE_PX = 15
