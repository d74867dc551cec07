"""What compute processes answer, on its way to the parent: data only, whoever wrote it.

Unpickling runs what the writer likes. The parent holds the credentials, so whatever took over a
decoder would only have to answer with a pickle of its own making.
"""

from __future__ import annotations

import builtins
import json
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from types import MappingProxyType
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.domain import errors
from waveflow.domain.audio import MAX_PEAKS, AudioFormat, Container, Encoding
from waveflow.domain.errors import PermanentError, UnreadableStem, WaveFlowError
from waveflow.domain.levels import Levels
from waveflow.domain.mixing import Mix
from waveflow.domain.pixels import Pixels
from waveflow.domain.waveform import Analysis, Waveform

MAX_REPLY_BYTES = 1 << 20
"""The longest waveform takes 130 kB; what is longer comes from a process that lost its mind."""

_SIZE_BYTES = 8
_MAX_TRACE_CHARACTERS = 20_000


@frozen
class Value:
    """A task's result."""

    value: Any


@frozen
class Failure:
    """An error that a task raised, and where, as text."""

    error: Exception
    trace: str


def encode(reply: Value | Failure) -> bytes:
    """The bytes to send.

    Raises:
        TypeError: for a value that no codec returns.
    """
    if isinstance(reply, Value):
        return json.dumps({"value": _value_as_data(reply.value)}).encode()
    return json.dumps(
        {"error": _error_as_data(reply.error), "trace": reply.trace[-_MAX_TRACE_CHARACTERS:]}
    ).encode()


def decode(content: bytes) -> Value | Failure:
    """The reply that these bytes stand for.

    Raises:
        OSError: when they are none.
    """
    try:
        data = json.loads(content)
        if "value" in data:
            return Value(_value_of(data["value"]))
        return Failure(_error_of(*data["error"]), str(data["trace"]))
    except Exception as error:
        raise OSError("A compute process answered with something that is no reply.") from error


def send(connection: Connection, content: bytes) -> None:
    """Write a reply to its end."""
    rest = memoryview(len(content).to_bytes(_SIZE_BYTES, "big") + content)
    while rest:
        rest = rest[os.write(connection.fileno(), rest) :]


def receive(connection: Connection, until_s: float) -> bytes:
    """A reply, of which all must have come by then, on the monotonic clock.

    Raises:
        TimeoutError: when it hasn't.
        EOFError, OSError: when the other end is gone, or sends more than a reply has.
    """
    size_bytes = int.from_bytes(_received(connection, _SIZE_BYTES, until_s), "big")
    if size_bytes > MAX_REPLY_BYTES:
        raise OSError(f"A compute process answers with {size_bytes} bytes.")
    return _received(connection, size_bytes, until_s)


def _received(connection: Connection, size_bytes: int, until_s: float) -> bytes:
    content = bytearray()
    while len(content) < size_bytes:
        if not connection.poll(max(0.0, until_s - time.monotonic())):
            raise TimeoutError
        piece = os.read(connection.fileno(), size_bytes - len(content))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)


def _value_as_data(value: Any) -> Any:
    if isinstance(value, Analysis):
        kind = value.format
        return {
            "waveform": _waveform_as_data(value.waveform),
            "format": [kind.container.value, kind.encoding.value],
            "channels": value.channels,
            "levels": value.levels and value.levels.as_data(),
        }
    if isinstance(value, Mix):
        return {
            "waveform": _waveform_as_data(value.waveform),
            "gain": value.gain,
            "levels": value.levels and value.levels.as_data(),
        }
    if isinstance(value, list):
        return value
    raise TypeError(f"A {type(value).__name__} can't be sent to the parent.")


def _value_of(data: Any) -> Any:
    if isinstance(data, list):
        return [str(each) for each in data]
    waveform = _waveform_of(**data["waveform"])
    if "gain" in data:
        return Mix(waveform, float(data["gain"]), _levels_of(data["levels"], 1))
    container, encoding = data["format"]
    kind = AudioFormat(Container(container), Encoding(encoding))
    channels = int(data["channels"])
    return Analysis(waveform, kind, channels, _levels_of(data["levels"], channels))


def _levels_of(data: Any, channels: int) -> Levels | None:
    if data is None:
        return None
    levels = Levels.from_data(data)
    _require(len(levels.channels) == channels)
    return levels


def _waveform_as_data(waveform: Waveform) -> dict[str, Any]:
    return {
        "peaks": _numbers_as_data(waveform.peaks),
        "low": _numbers_as_data(waveform.pixels.low),
        "high": _numbers_as_data(waveform.pixels.high),
        "samples_per_pixel": waveform.pixels.samples_per_pixel,
        "frames": waveform.frames,
        "sample_rate_hz": waveform.sample_rate_hz,
    }


def _waveform_of(
    peaks: str, low: str, high: str, samples_per_pixel: int, frames: int, sample_rate_hz: int
) -> Waveform:
    pixels = Pixels(_numbers_of(low), _numbers_of(high), int(samples_per_pixel))
    _require(len(pixels.low) == len(pixels.high))
    return Waveform(_numbers_of(peaks), int(frames), int(sample_rate_hz), pixels)


def _numbers_as_data(values: NDArray[np.float64]) -> str:
    return b64encode(values.astype("<f8", copy=False).tobytes()).decode()


def _numbers_of(data: str) -> NDArray[np.float64]:
    """Finite numbers, no more than a document has room for."""
    values = np.frombuffer(b64decode(data), "<f8").astype(np.float64)
    _require(len(values) <= MAX_PEAKS and bool(np.isfinite(values).all()))
    return values


def _require(plausible: bool) -> None:
    if not plausible:
        raise ValueError("No codec answers that.")


def _error_as_data(error: Exception) -> list[Any]:
    """The name in `_ERRORS` of what makes it again, and the arguments."""
    name = type(error).__name__
    if isinstance(error, UnreadableStem):
        return [name, error.index, _error_as_data(error.cause)]
    if isinstance(error, PermanentError) and type(error) is _PLAIN.get(name):
        return [name, str(error), error.code]
    if isinstance(error, OSError) and type(error.errno) is int:
        return ["OSError", error.errno, str(error.strerror)]
    if type(error) is _PLAIN.get(name) and [type(each) for each in error.args] == [str]:
        return [name, *error.args]
    return ["RuntimeError", f"{name}: {error}"]


def _error_of(name: str, *arguments: Any) -> Exception:
    return _ERRORS[name](*arguments)


def _unreadable_stem(index: int, cause: list[Any]) -> UnreadableStem:
    met = _error_of(*cause)
    assert isinstance(met, PermanentError)
    return UnreadableStem(int(index), met)


def _coded(kind: type[PermanentError]) -> Callable[..., Exception]:
    return lambda message, code: kind(str(message), code=str(code))


def _plain(kind: type[Exception]) -> Callable[..., Exception]:
    return lambda message: kind(str(message))


def _named(module: object, root: type[Exception]) -> dict[str, type[Exception]]:
    classes = [each for each in vars(module).values() if isinstance(each, type)]
    return {each.__name__: each for each in classes if issubclass(each, root)}


_PLAIN = _named(builtins, Exception) | _named(errors, WaveFlowError)
_ERRORS: Mapping[str, Callable[..., Exception]] = MappingProxyType(
    {name: _plain(kind) for name, kind in _PLAIN.items()}
    | {name: _coded(kind) for name, kind in _PLAIN.items() if issubclass(kind, PermanentError)}
    | {
        "OSError": lambda number, text: OSError(int(number), str(text)),
        UnreadableStem.__name__: _unreadable_stem,
    }
)
