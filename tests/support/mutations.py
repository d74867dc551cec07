"""Damaged copies of audio files, drawn from a seeded source of chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.support.audio_units import Unit, repaired, units_of

LARGEST_BYTES = 400_000
"""What grows beyond it is cut off."""

_HEAD_BYTES = 160
_REPAIR_SHARE = 0.75
_INTERESTING = (0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 64, 127, 128, 254, 255, 256, 1000, 1024, 1025)


def mutated(original: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    """A copy of `original` after one to six changes, most with the right checksums.

    Args:
        others: what parts of other files are taken from.
    """
    content = original
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 6))):
        content = chance.choice(_MUTATORS)(content, chance.choice(others), chance)[:LARGEST_BYTES]
    if chance.random() < _REPAIR_SHARE:
        content = repaired(content, original)
    return content


def _place(content: bytes, chance: Random) -> int:
    """An offset: in the file's head, at the head of one of its parts, or anywhere."""
    where = chance.random()
    units = units_of(content) if 0.4 < where < 0.8 else []
    if units:
        start, _ = chance.choice(units)
        return min(start + chance.randrange(48), len(content))
    if where < 0.4:
        return chance.randrange(min(_HEAD_BYTES, len(content)) + 1)
    return chance.randrange(len(content) + 1)


def _overwrite(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def _flip_bits(content: bytes, _: bytes, chance: Random) -> bytes:
    changed = bytearray(content)
    for _flip in range(chance.choice((1, 1, 2, 8, 32))):
        place = _place(content, chance)
        if place < len(changed):
            changed[place] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _set_bytes(content: bytes, _: bytes, chance: Random) -> bytes:
    count = chance.choice((1, 1, 2, 4, 16, 64))
    filling = chance.choice((b"\x00", b"\xff", b"\x7f", b"\x80", b""))
    new = filling * count if filling else chance.randbytes(count)
    return _overwrite(content, _place(content, chance), new)


def _set_integer(content: bytes, _: bytes, chance: Random) -> bytes:
    """A number that programs stumble over, of any width and order."""
    width = chance.choice((1, 2, 2, 3, 4, 4, 4, 5, 8))
    top = 1 << 8 * width
    value = chance.choice(
        (*_INTERESTING, top - 1, top - 2, top // 2, top // 2 - 1, top // 2 + 1, len(content))
    )
    new = (value % top).to_bytes(width, chance.choice(("little", "big")))
    return _overwrite(content, _place(content, chance), new)


def _nudge_integer(content: bytes, _: bytes, chance: Random) -> bytes:
    """A field that is a little more or less than it was, or a multiple."""
    width = chance.choice((1, 2, 4, 8))
    order: str = chance.choice(("little", "big"))
    place = _place(content, chance)
    old = int.from_bytes(content[place : place + width], order)  # type: ignore[arg-type]
    new = chance.choice((old + 1, old - 1, old * 2, old // 2, old + 256, -old, ~old))
    written = (new % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
    return _overwrite(content, place, written)


def _cut(content: bytes, _: bytes, chance: Random) -> bytes:
    return content[: _place(content, chance)]


def _insert(content: bytes, _: bytes, chance: Random) -> bytes:
    place = _place(content, chance)
    new = chance.choice(
        (
            chance.randbytes(chance.choice((1, 2, 3, 16, 500, 5000))),
            bytes(chance.choice((1, 2, 4, 1000, 70_000))),
            content[: chance.randrange(len(content) + 1)],
        )
    )
    return content[:place] + new + content[place:]


def _leave_out(content: bytes, _: bytes, chance: Random) -> bytes:
    place = _place(content, chance)
    return content[:place] + content[place + chance.choice((1, 2, 4, 100, 4000)) :]


def _stomp(content: bytes, _: bytes, chance: Random) -> bytes:
    return _overwrite(
        content, _place(content, chance), chance.randbytes(chance.choice((100, 2000, 20_000)))
    )


def _splice(content: bytes, other: bytes, chance: Random) -> bytes:
    return content[: _place(content, chance)] + other[_place(other, chance) :]


def _append_other(content: bytes, other: bytes, chance: Random) -> bytes:
    return content + other


def _in_units(change: Callable[[list[bytes], list[bytes], Random], list[bytes]]) -> _Mutator:
    def mutate(content: bytes, other: bytes, chance: Random) -> bytes:
        units = units_of(content)
        if not units:
            return content
        head, tail = content[: units[0][0]], content[units[-1][1] :]
        parts = change(_parts(content, units), _parts(other, units_of(other)), chance)
        return head + b"".join(parts) + tail

    return mutate


def _parts(content: bytes, units: list[Unit]) -> list[bytes]:
    return [content[start:end] for start, end in units]


def _duplicate(parts: list[bytes], _: list[bytes], chance: Random) -> list[bytes]:
    index = chance.randrange(len(parts))
    times = chance.choice((1, 1, 2, 50))
    return parts[:index] + [parts[index]] * times + parts[index:]


def _drop(parts: list[bytes], _: list[bytes], chance: Random) -> list[bytes]:
    index = chance.randrange(len(parts))
    return parts[:index] + parts[index + 1 :]


def _swap(parts: list[bytes], _: list[bytes], chance: Random) -> list[bytes]:
    one, two = chance.randrange(len(parts)), chance.randrange(len(parts))
    parts[one], parts[two] = parts[two], parts[one]
    return parts


def _adopt(parts: list[bytes], others: list[bytes], chance: Random) -> list[bytes]:
    """A part of another file in the midst of this one's."""
    if others:
        parts.insert(chance.randrange(len(parts) + 1), chance.choice(others))
    return parts


_Mutator = Callable[[bytes, bytes, Random], bytes]
_MUTATORS: tuple[_Mutator, ...] = (
    _flip_bits,
    _flip_bits,
    _set_bytes,
    _set_bytes,
    _set_integer,
    _set_integer,
    _set_integer,
    _nudge_integer,
    _nudge_integer,
    _cut,
    _insert,
    _leave_out,
    _stomp,
    _splice,
    _append_other,
    _in_units(_duplicate),
    _in_units(_drop),
    _in_units(_swap),
    _in_units(_adopt),
)
