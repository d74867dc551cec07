"""Any request, in each of the five forms, arrives as it was sent."""

from __future__ import annotations

import json
from typing import get_args

from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from tests.support.celery_client import Protocol, celery_message
from waveflow.application.commands import (
    AnalysisRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    MixRequest,
)
from waveflow.entrypoints.messages import (
    ANALYSIS_TASK,
    DUPLICATE_TASK,
    HASH_TASK,
    MIX_TASK,
    WIRE_NAMES,
    MessageParser,
)

PARSER = MessageParser(default_num_peaks=4000)
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_MAYBE = st.none() | _TEXTS
_TIMESTAMPS = st.none() | _TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_STEM = {"stem_id": _TEXTS, "filepath": _TEXTS, "user_id": _MAYBE, "track_id": _MAYBE}
_REQUESTS: st.SearchStrategy[tuple[str, Command]] = st.one_of(
    st.tuples(
        st.just(HASH_TASK),
        st.builds(HashRequest, **_STEM, timestamp=_TIMESTAMPS, original_filename=_MAYBE),
    ),
    st.tuples(st.just(DUPLICATE_TASK), st.builds(DuplicateRequest, **_STEM, audio_hash=_TEXTS)),
    st.tuples(
        st.just(ANALYSIS_TASK),
        st.builds(
            AnalysisRequest,
            **_STEM,
            num_peaks=st.integers(),
            timestamp=_TIMESTAMPS,
            upstream_id=_MAYBE,
        ),
    ),
    st.tuples(
        st.just(MIX_TASK),
        st.builds(
            MixRequest,
            stage_id=_TEXTS,
            stem_paths=st.lists(_TEXTS, min_size=1, max_size=5).map(tuple),
            upstream_id=_MAYBE,
        ),
    ),
)


@given(
    _REQUESTS,
    st.sampled_from(PROTOCOLS),
    st.booleans(),
    st.sampled_from(["base64", "utf-8"]),
    st.sampled_from([None, "gzip"]),
)
def test_a_request_arrives_as_it_was_sent_in_each_of_the_five_forms(
    sent: tuple[str, Command],
    protocol: Protocol,
    outer_base64: bool,
    body_encoding: str,
    compression: str | None,
) -> None:
    task, command = sent
    fields = {WIRE_NAMES.get(name, name): value for name, value in asdict(command).items()}
    bodies = [
        json.dumps({"task": task} | fields),
        json.dumps({"task": task, "id": "sent-1", "args": [], "kwargs": fields}),
        celery_message(
            task,
            "sent-1",
            fields,
            protocol=protocol,
            base64=outer_base64,
            body_encoding="base64" if compression else body_encoding,
            compression=compression,
        ),
    ]
    if task == HASH_TASK:
        bodies.append(json.dumps(fields, ensure_ascii=False))
    assert [PARSER.parse(body).command for body in bodies] == [command] * len(bodies)
