"""A unit file of systemd's, read: what the stand-in for systemd goes by."""

from __future__ import annotations

import re
from pathlib import Path

UNITS = Path(__file__).parents[3] / "deploy" / "ec2"

Sections = dict[str, dict[str, list[str]]]


def unit_file(name: str) -> Sections:
    """The sections of a unit file of ours, each with all values of every setting."""
    sections: Sections = {}
    section: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(heading[1], {})
        elif line and not line.startswith(("#", ";")):
            setting, _, value = line.partition("=")
            section.setdefault(setting.strip(), []).append(value.strip())
    return sections
