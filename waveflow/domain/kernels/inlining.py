"""Helpers of kernels: plain functions that are compiled into whatever calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

INLINED: list[Callable[..., Any]] = []
"""Those that the compiler hasn't been told of yet."""


def inlined(function: _Function) -> _Function:
    """Mark a function that kernels call."""
    INLINED.append(function)
    return function
