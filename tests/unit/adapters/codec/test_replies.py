"""What compute processes answer: all of it arrives, and nothing else can."""

from __future__ import annotations

import errno
import json
import os
import pickle
import time
from base64 import b64encode
from multiprocessing import Pipe
from typing import Any

import numpy as np
import pytest

from tests.support.levels import some_levels
from waveflow.adapters.codec import replies
from waveflow.adapters.codec.replies import MAX_REPLY_BYTES, Failure, Value
from waveflow.domain import errors
from waveflow.domain.audio import MAX_PEAKS, AudioFormat, Container, Encoding
from waveflow.domain.errors import (
    DecoderFailed,
    InvalidAudio,
    PermanentError,
    TruncatedAudio,
    UnreadableStem,
    WorkFolderUnavailable,
)
from waveflow.domain.mixing import Mix
from waveflow.domain.pixels import Pixels
from waveflow.domain.waveform import Analysis, Waveform

PEAKS = np.random.default_rng(3).random(MAX_PEAKS) * 1e300


def _numbers(*values: float) -> str:
    return b64encode(np.array(values, "<f8").tobytes()).decode()


PIXELS = Pixels(-PEAKS, PEAKS / 3, 12)
SMALL = Waveform(
    np.array([0.5, 0.25]), 2, 44_100, Pixels(np.array([0.0, -0.5]), np.array([0.25, 0.0]), 1)
)
WAVEFORM = Waveform(PEAKS, 2**40, 44_100, PIXELS)


@pytest.mark.parametrize(
    "value",
    [
        Analysis(WAVEFORM, AudioFormat(Container.OGG, Encoding.OPUS), 8),
        Analysis(WAVEFORM, AudioFormat(Container.WAV, Encoding.PCM_16), 32, some_levels(32)),
        Mix(WAVEFORM, 0.1 + 0.2),
        Mix(WAVEFORM, 1.0, some_levels(1)),
        [],
        ["system_call_filter"],
    ],
    ids=lambda value: type(value).__name__,
)
def test_results_arrive_to_the_last_bit(value: object) -> None:
    content = replies.encode(Value(value))
    assert replies.decode(content) == Value(value)
    assert len(content) < MAX_REPLY_BYTES / 4


@pytest.mark.parametrize(
    "error",
    [
        InvalidAudio("가 broken.", code="odd"),
        DecoderFailed("It is."),
        UnreadableStem(499, UnreadableStem(2, TruncatedAudio("Short."))),
        WorkFolderUnavailable("The disk is full."),
        OSError(errno.EFBIG, "File too large"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        ValueError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_arrive_as_what_they_are(error: Exception) -> None:
    reply = replies.decode(replies.encode(Failure(error, "x" * 10**6)))
    assert isinstance(reply, Failure)
    assert (type(reply.error), str(reply.error)) == (type(error), str(error))
    assert getattr(reply.error, "code", None) == getattr(error, "code", None)
    assert getattr(reply.error, "errno", None) == getattr(error, "errno", None)
    assert 0 < len(reply.trace) < MAX_REPLY_BYTES


def test_every_error_with_a_code_keeps_it() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    coded = [each for each in kinds if issubclass(each, PermanentError)]
    assert len(coded) > 10
    for kind in coded:
        if kind is UnreadableStem:
            continue
        reply = replies.decode(replies.encode(Failure(kind("Odd.", code="odd"), "")))
        assert isinstance(reply, Failure)
        assert (type(reply.error), getattr(reply.error, "code", None)) == (kind, "odd")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError(7), "KeyError: 7"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), "UnicodeDecodeError: 'utf-8'"),
        (json.JSONDecodeError("odd", "", 0), "JSONDecodeError: odd"),
    ],
)
def test_errors_of_other_kinds_arrive_as_text(error: Exception, text: str) -> None:
    reply = replies.decode(replies.encode(Failure(error, "")))
    assert isinstance(reply, Failure)
    assert type(reply.error) is RuntimeError
    assert str(reply.error).startswith(text)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"7",
        b"\xff",
        b'{"value": 7}',
        b'{"value": {"waveform": {}}}',
        b'{"value": {"waveform": {"peaks": "x", "frames": 1, "sample_rate_hz": 1}}}',
        b'{"error": ["eval", "1"], "trace": ""}',
        b'{"error": ["SystemExit", "1"], "trace": ""}',
        b'{"error": ["UnreadableStem", 1, ["ValueError", "odd"]], "trace": ""}',
        b'{"error": ["ValueError", "odd"]}',
        b"[" * 100_000,
        b"9" * 10_000,
        pickle.dumps(Value(None)),
    ],
)
def test_what_is_no_reply_is_an_error_of_the_connection(content: bytes) -> None:
    with pytest.raises(OSError, match="no reply"):
        replies.decode(content)


@pytest.mark.parametrize(
    "odd",
    [
        {"peaks": ""} | {"low": _numbers(1.0)},
        {"peaks": _numbers(*[1.0] * (MAX_PEAKS + 1))},
        {"peaks": _numbers(float("nan"))},
        {"high": _numbers(float("inf"), 1.0)},
        {"samples_per_pixel": None},
    ],
    ids=str,
)
def test_a_waveform_that_no_codec_makes_is_no_reply(odd: dict[str, Any]) -> None:
    data = json.loads(replies.encode(Value(Mix(SMALL, 1.0))))
    assert replies.decode(json.dumps(data).encode()) == Value(Mix(SMALL, 1.0))
    data["value"]["waveform"] |= odd
    with pytest.raises(OSError, match="no reply"):
        replies.decode(json.dumps(data).encode())


@pytest.mark.parametrize(
    "odd", [7, {}, some_levels(2).as_data(), some_levels(1).as_data() | {"silent": "no"}], ids=str
)
def test_levels_that_no_codec_measures_are_no_reply(odd: object) -> None:
    data = json.loads(replies.encode(Value(Mix(SMALL, 1.0, some_levels(1)))))
    data["value"]["levels"] = odd
    with pytest.raises(OSError, match="no reply"):
        replies.decode(json.dumps(data).encode())


@pytest.mark.parametrize("sent", [b"", b"\0\0", bytes(7) + b"\x05abc"])
def test_a_reply_that_does_not_come_whole_is_not_waited_for(sent: bytes) -> None:
    ours, theirs = Pipe()
    with ours, theirs:
        os.write(theirs.fileno(), sent)
        with pytest.raises(TimeoutError):
            replies.receive(ours, time.monotonic() + 0.05)
        theirs.close()
        with pytest.raises(EOFError):
            replies.receive(ours, time.monotonic() + 60.0)
