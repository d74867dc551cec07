"""Storage keys: which are valid, which are ours, and what the objects we write are called."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote

from attrs import frozen

from waveflow.domain.content import ContentHash
from waveflow.domain.errors import InvalidKey

LEDGER_PREFIX = "ledger/"
WAVEFORM_PREFIX = "waveforms/"
MIX_PREFIX = "mixed/"
OUTCOME_PREFIX = "outcomes/"
REMOVAL_PREFIX = "removed/"
OWN_PREFIXES = (LEDGER_PREFIX, WAVEFORM_PREFIX, MIX_PREFIX, OUTCOME_PREFIX, REMOVAL_PREFIX)

_MAX_KEY_BYTES = 1024
_MAX_SCOPE_CHARACTERS = 200
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def require_id(name: str, value: str) -> str:
    """`value`, if it can become part of a key: 1 to 128 letters, digits, `.`, `_`, `-`.

    Raises:
        InvalidKey: otherwise, with code `invalid_id`.
    """
    if not _ID.fullmatch(value):
        raise InvalidKey(
            f"{name} {value[:140]!r} can't be part of a storage key:"
            " 1 to 128 letters, digits, '.', '_' and '-' are possible.",
            code="invalid_id",
        )
    return value


def require_key(key: str) -> str:
    """`key`, unchanged, if it names an object inside the storage.

    Keys are used as they are: spaces, parentheses and any Unicode are part of the name, and
    nothing is URL-decoded.

    Raises:
        InvalidKey: for an empty or over-long key, one that begins or ends with a slash, has
            an empty, `.` or `..` segment, or holds control characters or lone surrogates.
    """
    problem = _problem_of(key)
    if problem:
        raise InvalidKey(f"The storage key {key[:140]!r} {problem}.")
    return key


def _problem_of(key: str) -> str | None:
    if not key:
        return "is empty"
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size_bytes > _MAX_KEY_BYTES:
        return f"is longer than {_MAX_KEY_BYTES} bytes"
    if any(unicodedata.category(character) == "Cc" for character in key):
        return "contains control characters"
    segments = key.split("/")
    if "" in segments:
        return "begins or ends with a slash, or has two in a row"
    if ".." in segments or "." in segments:
        return "contains a '.' or '..' segment"
    return None


def require_stem_key(key: str) -> str:
    """`key`, if it can be an uploaded stem's.

    Raises:
        InvalidKey: as `require_key`; with code `protected_key` for what WaveFlow itself writes,
            in any spelling that a file system may take for that.
    """
    require_key(key)
    if folded(key).startswith(OWN_PREFIXES):
        raise InvalidKey(
            f"{key!r} is not an uploaded stem, but an object that WaveFlow writes.",
            code="protected_key",
        )
    return key


def folded(text: str) -> str:
    """`text` as those file systems see it that confuse the most names.

    Some take upper and lower case for the same, some composed and decomposed letters, and some
    leave out characters that can't be seen.
    """
    same = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in same if unicodedata.category(letter) != "Cf")


def basename(key: str) -> str:
    """The last part of a key, for messages without an original file name."""
    return key.rsplit("/", 1)[-1]


@frozen
class MessageStamp:
    """The `{timestamp}` of the objects that one message writes.

    It comes from the message and not from the clock, so that a second delivery overwrites the
    same objects: the milliseconds are the time at which the message was sent, the last three
    digits come from its id, so that two messages of one millisecond don't collide.
    """

    text: str

    @classmethod
    def of(cls, sent_at_ms: int, message_id: str) -> MessageStamp:
        """The stamp of a message, from its send time (Unix milliseconds) and its id."""
        last_digits = int.from_bytes(hashlib.sha256(message_id.encode()).digest()[:8]) % 1000
        seconds, milliseconds = divmod(sent_at_ms, 1000)
        moment = datetime.fromtimestamp(seconds, UTC)
        return cls(f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}{last_digits:03d}Z")


def stem_waveform_key(stem_id: str, stamp: MessageStamp) -> str:
    """Where the waveform of a stem goes."""
    return f"{WAVEFORM_PREFIX}{require_id('stemId', stem_id)}_waveform_{stamp.text}.json"


def mix_key(stage_id: str, stamp: MessageStamp) -> str:
    """Where the mix of a stage goes."""
    return f"{MIX_PREFIX}{require_id('stageId', stage_id)}_mixed_{stamp.text}.wav"


def mix_waveform_key(stage_id: str, stamp: MessageStamp) -> str:
    """Where the waveform of a mix goes."""
    return f"{WAVEFORM_PREFIX}{require_id('stageId', stage_id)}_mixed_waveform_{stamp.text}.json"


def dat_key(waveform_key: str) -> str:
    """Where the `.dat` beside a waveform goes: it has the same name, and its own ending."""
    return f"{waveform_key.removesuffix('.json')}.dat"


def ledger_key(track_id: str | None, content_hash: ContentHash) -> str:
    """Where it is written who owns a content within a track.

    A track id is opaque: whatever can't stand in one segment of a key is percent-encoded, as
    is the id `_`, which stands for no track. Long ids are hashed.

    Raises:
        InvalidKey: for an id that is not valid Unicode.
    """
    if track_id is None:
        scope = "_"
    elif set(track_id) <= {".", "_"}:
        scope = "".join(f"%{ord(character):02X}" for character in track_id)
    else:
        try:
            scope = quote(track_id, safe="")
            if len(scope) > _MAX_SCOPE_CHARACTERS:
                # No percent-encoding looks like this: no other id can come to the same scope.
                scope = "%hash-" + hashlib.sha256(track_id.encode()).hexdigest()
        except UnicodeEncodeError as error:
            raise InvalidKey(f"trackId {track_id!r} is not valid Unicode.") from error
    return require_key(f"{LEDGER_PREFIX}{scope or '%'}/{content_hash}")


def removal_key(stem_id: str, path: str) -> str:
    """Where it is written that a stem was removed, as a duplicate.

    The stem's id comes first, so that whoever looks for a stem can list by it.
    """
    digest = hashlib.sha256(require_key(path).encode()).hexdigest()
    return f"{REMOVAL_PREFIX}{require_id('stemId', stem_id)}_{digest}.json"


def outcome_key(message_id: str) -> str:
    """Where the outcome of a message is kept until the server has taken it."""
    digest = hashlib.sha256(message_id.encode(errors="surrogatepass")).hexdigest()
    name = message_id if _ID.fullmatch(message_id) else f"hash-{digest}"
    return f"{OUTCOME_PREFIX}{name}.json"
