"""What can be done about a failure, where the sentence of its webhook doesn't say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from waveflow.entrypoints.studio.records import Problem

_UPLOAD_AGAIN = "Upload it again."
_NOTHING_LOST = "Nothing is lost: the upload is still here, and can be played and downloaded."

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "object_not_found": _UPLOAD_AGAIN,
        "content_changed": _UPLOAD_AGAIN,
        "last_copy": _NOTHING_LOST,
        "unknown_content": _NOTHING_LOST,
        "owner_lost": _UPLOAD_AGAIN,
        "temporarily_unavailable": "The terminal says what is in the way; upload it again then.",
        "internal_error": "The terminal says what went wrong; this is a defect of WaveFlow.",
    }
)
"""By code. The other sentences say it themselves."""


def problem_of(result: Mapping[str, str]) -> Problem:
    """The failure that a webhook's `result` tells of, with what to do."""
    sentence, code = result["error"], result["code"]
    advice = ADVICE.get(code)
    return Problem(f"{sentence} {advice}" if advice else sentence, code)
