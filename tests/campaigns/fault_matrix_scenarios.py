"""The scenarios of the fault matrix: what lies in the bucket, what is asked, what must come of it.

Everything here is written down by hand; nothing is taken from what the product does.
"""

from __future__ import annotations

import hashlib
import json
import wave
from io import BytesIO
from typing import Any, Final

import numpy as np
from attrs import field, frozen

A, B, C = "users/u1/a.wav", "users/u1/b.wav", "users/u1/c.wav"
TRACK: Final = "t1"
OWNER_TOKEN: Final = "an-earlier-message"
RATE_HZ: Final = 8000

LEDGER, REMOVAL, WAVEFORM = "ledger line", "record of a removal", "waveform"
MIX, MIX_WAVEFORM = "mix", "mix waveform"
"""What a message makes."""


def song(seed: int, frames: int = 200) -> bytes:
    """A short WAV file, mono, 16 bits."""
    samples = np.random.default_rng(seed).integers(-20_000, 20_000, frames, np.int16)
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


SONG, OTHER, THIRD = song(1), song(2), song(3)
LARGE = song(4, frames=8_400_000)
"""One that is read in three parts."""
NO_AUDIO = b"This is a letter, and not a recording. " * 10


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@frozen
class Expected:
    """What comes of a message.

    Attributes:
        event: the end of the `webhook-id`; None when nobody is told.
        facts: what the webhook's body says, among others; keys of `result` as `result.code`.
        removed: uploads that are gone afterwards. All others are as they were, byte for byte.
        made: objects that are there afterwards and weren't before.
        parked: how the reason begins with which it lies in the dead-letter queue; None for not.
        kept: whether it stays on the queue, for want of a dead-letter queue.
    """

    event: str | None
    facts: dict[str, Any] = field(factory=dict)
    removed: frozenset[str] = frozenset()
    made: tuple[str, ...] = ()
    owner: str | None = None
    condemned: tuple[str, ...] = ()
    parked: str | None = None
    kept: bool = False


@frozen
class Scenario:
    """A message, and the world it comes into.

    Attributes:
        use_case: who carries it out.
        uploads: what lies in the bucket, by key.
        owner: the key that owns SONG's content in the track, by the ledger; None for no line.
        worked_before: an earlier delivery did the work, told the server, and died unsettled.
        server_refuses: the server answers 503 until the first delivery has ended.
        slow_codec_s: how much longer than usual a decoder takes.
        side_by_side: whether S3 is asked for several things at once, in any order.
    """

    name: str
    use_case: str
    body: str
    expected: Expected
    uploads: dict[str, bytes] = field(factory=dict)
    owner: str | None = None
    worked_before: bool = False
    server_refuses: bool = False
    slow_codec_s: float = 0.0
    side_by_side: bool = False
    dead_letters: bool = True

    def plays_on(self, server: str) -> bool:
        """Whether a server is like SQS in what the scenario needs.

        moto counts the 12 hours that a message may be hidden from when it was sent, and not
        from when it was received: it can't be hidden for long in a second delivery.
        """
        return not (self.expected.kept and server == "moto")


def _message(task: str, **fields: Any) -> str:
    return json.dumps({"task": f"app.tasks.{task}", "id": "task-1", "args": [], "kwargs": fields})


def _hash(filepath: str) -> str:
    return _message("generate_hash_and_webhook", stemId="s1", trackId=TRACK, filepath=filepath)


def _duplicate(filepath: str) -> str:
    return _message(
        "process_duplicate_file",
        stemId="s1",
        trackId=TRACK,
        filepath=filepath,
        audio_hash=hash_of(SONG),
    )


def _analysis(filepath: str) -> str:
    return _message("process_audio_analysis", stemId="s1", filepath=filepath, num_peaks=8)


def _mix(*paths: str) -> str:
    return _message("mix_stems_and_upload", stageId="g1", stem_paths=list(paths))


_HASHED = "hash-check.hash_generated"
_DONE, _FAILED = "completion.success", "completion.failed"
_MIXED, _NOT_MIXED = "mixing-complete.success", "mixing-complete.failed"

_NEW = Expected(
    _HASHED,
    {"owner": "self", "duplicate_of": None, "audio_hash": hash_of(SONG), "filepath": A},
    made=(LEDGER,),
    owner=A,
)
_ANALYSED = Expected(
    _DONE, {"status": "SUCCESS", "result.audio_data_hash": hash_of(SONG)}, made=(WAVEFORM,)
)
_UNREADABLE = "The message is not JSON"

SCENARIOS: Final = (
    Scenario("hash of a new stem", "IngestStem", _hash(A), _NEW, {A: SONG}),
    Scenario(
        "hash of a large stem",
        "IngestStem",
        _hash(A),
        Expected(
            _HASHED,
            {"owner": "self", "audio_hash": hash_of(LARGE), "filepath": A},
            made=(LEDGER,),
        ),
        {A: LARGE},
    ),
    Scenario(
        "hash of a second copy",
        "IngestStem",
        _hash(B),
        Expected(_HASHED, {"owner": "other", "duplicate_of": A, "filepath": B}, owner=A),
        {A: SONG, B: SONG},
        owner=A,
    ),
    Scenario(
        "hash of a missing stem",
        "IngestStem",
        _hash(A),
        Expected(_FAILED, {"status": "FAILED", "result.code": "object_not_found"}),
    ),
    Scenario(
        "hash that the server refuses at first",
        "IngestStem",
        _hash(A),
        _NEW,
        {A: SONG},
        server_refuses=True,
    ),
    Scenario(
        "duplicate that is deleted",
        "ResolveDuplicate",
        _duplicate(B),
        Expected(
            _DONE,
            {"status": "SUCCESS", "result.action": "duplicate_deleted"},
            removed=frozenset({B}),
            made=(REMOVAL,),
            owner=A,
            condemned=(B,),
        ),
        {A: SONG, B: SONG, C: OTHER},
        owner=A,
    ),
    Scenario(
        "duplicate that is the last copy",
        "ResolveDuplicate",
        _duplicate(A),
        Expected(_FAILED, {"status": "FAILED", "result.code": "last_copy"}, owner=A),
        {A: SONG, C: OTHER},
        owner=A,
    ),
    Scenario(
        "duplicate whose owner was lost",
        "ResolveDuplicate",
        _duplicate(B),
        Expected(_FAILED, {"status": "FAILED", "result.code": "owner_lost"}, owner=B),
        {B: SONG, C: OTHER},
        owner=A,
    ),
    Scenario("analysis", "AnalyzeStem", _analysis(A), _ANALYSED, {A: SONG}),
    Scenario(
        "analysis that outlasts its first lease",
        "AnalyzeStem",
        _analysis(A),
        _ANALYSED,
        {A: SONG},
        slow_codec_s=2.8,
    ),
    Scenario(
        "analysis whose result is there already",
        "AnalyzeStem",
        _analysis(A),
        _ANALYSED,
        {A: SONG},
        worked_before=True,
    ),
    Scenario(
        "analysis of what is no audio",
        "AnalyzeStem",
        _analysis(A),
        Expected(_FAILED, {"status": "FAILED", "result.code": "not_audio"}),
        {A: NO_AUDIO},
    ),
    Scenario(
        "mix of three stems",
        "MixStage",
        _mix(A, B, C),
        Expected(_MIXED, {"status": "SUCCESS", "stem_count": 3}, made=(MIX, MIX_WAVEFORM)),
        {A: SONG, B: OTHER, C: THIRD},
        side_by_side=True,
    ),
    Scenario(
        "mix with a missing stem",
        "MixStage",
        _mix(A, B),
        Expected(_NOT_MIXED, {"status": "FAILED", "result.code": "object_not_found"}),
        {A: SONG},
        side_by_side=True,
    ),
    Scenario(
        "message that can't be read",
        "parked",
        "nonsense",
        Expected(None, parked=_UNREADABLE),
        {A: SONG},
    ),
    Scenario(
        "message that can't be read, no dead-letter queue",
        "parked",
        "nonsense",
        Expected(None, parked=_UNREADABLE, kept=True),
        {A: SONG},
        dead_letters=False,
    ),
    Scenario(
        "message that is refused",
        "parked",
        _message("generate_hash_and_webhook", stemId="s1", filepath=7),
        Expected(
            _FAILED,
            {"status": "FAILED", "result.code": "invalid_message"},
            parked="app.tasks.generate_hash_and_webhook",
        ),
        {A: SONG},
    ),
    Scenario("health check", "ReportHealth", _message("health_check"), Expected(None), {A: SONG}),
    Scenario(
        "clean-up", "CleanWorkFolder", _message("cleanup_temp_files"), Expected(None), {A: SONG}
    ),
)
