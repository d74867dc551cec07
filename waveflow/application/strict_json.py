"""JSON taken at its word: nothing is converted to fit."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, TypeGuard

import cattrs


def parse_json(text: str | bytes) -> Any:
    """The document in `text`.

    Raises:
        ValueError: when it is not JSON, nested too deeply, or holds NaN or infinity.
    """
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _no_number(text[:40])
    return number


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    kinds = {
        bool: "a boolean",
        int: "a number",
        float: "a decimal number",
        str: "text",
        list: "a list",
    }
    return kinds.get(type(value), "null" if value is None else "an object")


def is_text(value: object) -> TypeGuard[str]:
    """Whether `value` is text without lone surrogates, which can't be sent on."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def text(value: Any, _: Any = str) -> str:
    """`value`, which has to be text. Raises `TypeError` or `ValueError` that says what it is."""
    if not isinstance(value, str):
        raise TypeError(f"must be text, but is {kind_of(value)}")
    if not is_text(value):
        raise ValueError("is not valid Unicode")
    return value


def whole_number(value: Any, _: Any = int) -> int:
    """`value`, which has to be a whole number. Raises `TypeError` that says what it is."""
    if type(value) is not int:
        raise TypeError(f"must be a whole number, but is {kind_of(value)}")
    return value


def number(value: Any, _: Any = float) -> float:
    """`value`, which has to be a number. Raises `TypeError` that says what it is."""
    if type(value) not in (int, float):
        raise TypeError(f"must be a number, but is {kind_of(value)}")
    return float(value)


def texts(value: Any, _: Any = None) -> tuple[str, ...]:
    """`value`, which has to be a list of texts. Raises `TypeError` or `ValueError`."""
    if not isinstance(value, list):
        raise TypeError(f"must be a list, but is {kind_of(value)}")
    for index, item in enumerate(value):
        try:
            text(item)
        except (TypeError, ValueError) as error:
            raise ValueError(f"item {index} {error}") from error
    return tuple(value)


def numbers(value: Any, _: Any = None) -> list[float]:
    """`value`, which has to be a list of numbers. Raises `TypeError`."""
    if not isinstance(value, list):
        raise TypeError(f"must be a list, but is {kind_of(value)}")
    return [number(item) for item in value]


def strict_converter() -> cattrs.Converter:
    """A converter from JSON values to attrs classes that accepts only the declared types."""
    converter = cattrs.Converter()
    converter.register_structure_hook(str, text)
    converter.register_structure_hook(int, whole_number)
    converter.register_structure_hook(float, number)
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], texts)
    converter.register_structure_hook_func(lambda kind: kind == list[float], numbers)
    return converter
