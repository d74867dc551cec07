"""When a version of an object is the wanted one, and the sentences for when it isn't."""

from __future__ import annotations

from waveflow.application.ports import IfAbsent, WriteCondition
from waveflow.domain.errors import ObjectChanged, ObjectNotFound


def not_found(key: str) -> ObjectNotFound:
    """The error for a key under which nothing is stored."""
    return ObjectNotFound(
        f"Nothing is stored under {key!r}; check the key, or upload the file again."
    )


def already_there(key: str) -> ObjectChanged:
    """The error for a write that needs a free key, and meets an object."""
    return ObjectChanged(f"Something is stored under {key!r} already.")


def require_version(key: str, current_etag: str, wanted_etag: str | None) -> None:
    """Accept the current version if it is the wanted one, or if any will do (`None`).

    Raises:
        ObjectChanged: otherwise.
    """
    if wanted_etag is not None and current_etag != wanted_etag:
        raise ObjectChanged(f"{key!r} has been replaced by another version meanwhile.")


def require_condition(key: str, current_etag: str | None, condition: WriteCondition | None) -> None:
    """Allow a write over the current version, which is `None` where nothing is stored.

    Raises:
        ObjectChanged: when `condition` isn't met.
    """
    if condition is None:
        return
    if isinstance(condition, IfAbsent):
        if current_etag is not None:
            raise already_there(key)
        return
    if current_etag is None:
        raise ObjectChanged(f"{key!r} was to be replaced, but is gone.")
    require_version(key, current_etag, condition.etag)
