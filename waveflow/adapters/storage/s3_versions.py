"""What S3's answers say of a version of an object, and how versions are named to it."""

from __future__ import annotations

from collections.abc import Mapping

from waveflow.application.ports import ObjectStat
from waveflow.domain.errors import ObjectChanged, StorageUnavailable


def stat_in(key: str, answer: Mapping[str, object], *, size_bytes: int | None = None) -> ObjectStat:
    """What an answer says of the object, or an entry of a listing.

    Args:
        size_bytes: the size, where the answer doesn't give it.

    Raises:
        StorageUnavailable: when there is no ETag or no size; S3 always gives both.
    """
    size = answer.get("ContentLength", answer.get("Size")) if size_bytes is None else size_bytes
    etag = answer.get("ETag")
    if not isinstance(size, int) or not isinstance(etag, str) or not etag.strip('"'):
        raise StorageUnavailable(
            f"The storage gives no size or no ETag for {key!r}, so it isn't S3; check what"
            " AWS_ENDPOINT_URL leads to."
        )
    return ObjectStat(key, size, unquoted(etag))


def unquoted(etag: str) -> str:
    """An ETag as the port gives it: servers quote it in one answer and don't in another."""
    return etag.removeprefix('"').removesuffix('"')


def quoted(etag: str) -> str:
    """An ETag as a condition has to name it. Bare, a `*` would stand for any version."""
    return f'"{etag}"'


def replaced(key: str) -> ObjectChanged:
    """The error for an object that is another version than the wanted one."""
    return ObjectChanged(f"{key!r} has been replaced by another version meanwhile.")
