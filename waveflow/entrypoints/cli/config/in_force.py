"""What each setting is at the moment, in a form that may be shown, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, fields, frozen

from waveflow.adapters.notifier.webhook_url import shown_url
from waveflow.domain.audio import ALL_MIME_TYPES
from waveflow.entrypoints.setting_meanings import MEANINGS
from waveflow.entrypoints.setting_values import PREFIX
from waveflow.entrypoints.settings import BACKENDS, Reading, Settings

ENVIRONMENT, FOLLOWS, DEFAULT = "environment", "follows", "default"
_UNITS = {"_s": "s", "_mb": "MB"}


@frozen
class InForce:
    """One setting.

    Attributes:
        value: without anything secret; None when nothing is set, or what is set can't be used.
        unit: of the value; empty when it has none.
        source: `environment`, `default`, or `follows` when another setting decides.
        because: with `follows`, what decides.
        usable: False for what the environment says and WaveFlow refuses.
    """

    name: str
    value: Any
    unit: str
    source: str
    because: str | None
    default: Any
    meaning: str
    usable: bool = True

    @property
    def origin(self) -> str:
        """Where the value comes from, for people."""
        return self.because or self.source

    @property
    def shown(self) -> str:
        """The value with its unit, for people."""
        return shown_value(self.value, self.unit) if self.usable else "can't be used, see below"


def in_force(reading: Reading, environment: Mapping[str, str]) -> list[InForce]:
    """Every setting of `environment`, in the order of the table in the README."""
    plain = Settings()
    return [
        _in_force(each, getattr(plain, each.name), reading, environment)
        for each in fields(Settings)
    ]


def unread(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that was most likely meant for one of ours."""
    names = [attribute.metadata["variable"] for attribute in fields(Settings)]
    meant = {name.removeprefix(PREFIX): name for name in names if name.startswith(PREFIX)}
    return [
        f"{short} is set, which WaveFlow doesn't read; its own setting is called {name}."
        for short, name in meant.items()
        if environment.get(short, "").strip() and not environment.get(name, "").strip()
    ]


def _in_force(
    attribute: Attribute[Any], default: Any, reading: Reading, environment: Mapping[str, str]
) -> InForce:
    name = attribute.metadata["variable"]
    is_usable = name not in reading.refused
    value = getattr(reading.settings, attribute.name)
    source, because = _origin(attribute.name, name, value, environment)
    return InForce(
        name=name,
        value=_presentable(value) if is_usable else None,
        unit=next((unit for end, unit in _UNITS.items() if attribute.name.endswith(end)), ""),
        source=source,
        because=because,
        default=_presentable(default),
        meaning=MEANINGS[name],
        usable=is_usable,
    )


def _origin(
    attribute: str, name: str, value: Any, environment: Mapping[str, str]
) -> tuple[str, str | None]:
    if environment.get(name, "").strip():
        return ENVIRONMENT, None
    for choice, backend, variable, _ in BACKENDS:
        if attribute == choice and value == backend:
            return FOLLOWS, f"{variable} is set"
    return DEFAULT, None


def _presentable(value: Any) -> Any:
    """`value` as JSON has it, and nothing secret in it."""
    match value:
        case None | bool() | int() | float():
            return value
        case frozenset():
            return sorted(value)
        case tuple():  # The keys that sign webhooks: how many is all that anybody may see.
            keys = "1 key" if len(value) == 1 else f"{len(value)} keys"
            return f"{keys} (hidden)" if value else None
        case Path():
            return str(value)
        case _:
            return shown_address(str(value))


def shown_address(text: str) -> str:
    """An address as it may be shown, without login and query; what can't be one as it is.

    Of one with an @ behind its host nothing is shown: most likely a password holds a slash or a
    question mark, as it may not, and the host would be half of a login.
    """
    if "://" not in text and "@" not in text:
        return text
    scheme = "" if "://" in text else "//"  # Proxies are often written without one.
    try:
        shown = shown_url(scheme + text, "").removeprefix(scheme)
    except ValueError:
        return "(hidden: not an address)"
    behind_host = re.split("[/?#]", text.partition("://")[2] or text, maxsplit=1)[1:]
    if "@" in "".join(behind_host):
        return "(hidden: there may be a login in it)"
    return shown if shown == text else f"{shown} (login or query hidden)"


def shown_value(value: Any, unit: str) -> str:
    """A presentable value, for people."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case float():
            text = f"{value:.10g}"
        case list():
            text = "all" if value == sorted(ALL_MIME_TYPES) else ", ".join(value)
        case _:
            text = str(value)
    return f"{text} {unit}".rstrip()
