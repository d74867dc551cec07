"""Webhook bodies become the events that they told of, or are refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.contracts.notifier_events import EXAMPLES, Example
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.notifier.told import event_told
from waveflow.application.outbox import send_event
from waveflow.domain.errors import InvalidMessage

every_event = pytest.mark.parametrize("example", list(EXAMPLES.values()), ids=list(EXAMPLES))
CUT = "x" * 4000 + "… (12 more)"


BY_SETTING = {"levels", "waveform_dat_path"}
"""Keys of a mix that are there or aren't: without one it is another whole body."""


@every_event
def test_an_event_that_is_told_again_arrives_as_before(example: Example) -> None:
    notifier = InMemoryNotifier()
    before = example.arrives
    send_event(notifier, event_told(before.endpoint, before.event_id, before.body))
    assert notifier.delivered() == [before]


@every_event
def test_what_lacks_a_key_is_refused(example: Example) -> None:
    for name in example.arrives.body.keys() - BY_SETTING:
        body = {key: value for key, value in example.arrives.body.items() if key != name}
        with pytest.raises(InvalidMessage):
            event_told(example.arrives.endpoint, example.arrives.event_id, body)


@every_event
@pytest.mark.parametrize("odd", [7.5, ["x"], {"a": 1}, True])
def test_what_has_a_value_of_another_kind_is_refused(example: Example, odd: Any) -> None:
    kept = {"timestamp", "processing_time", "stem_count"} if odd == 7.5 else set()
    for name in example.arrives.body.keys() - kept:
        if name == "stem_paths" and odd == ["x"]:
            continue
        body = example.arrives.body | {name: odd}
        with pytest.raises(InvalidMessage):
            event_told(example.arrives.endpoint, example.arrives.event_id, body)


@every_event
def test_what_has_more_than_this_version_tells_is_refused(example: Example) -> None:
    body = example.arrives.body | {"news": 1}
    with pytest.raises(InvalidMessage, match="not as this version writes it"):
        event_told(example.arrives.endpoint, example.arrives.event_id, body)


@every_event
@pytest.mark.parametrize("left", [CUT, "https://x?key=[secret]"])
def test_what_the_log_has_shortened_is_never_sent_half(example: Example, left: str) -> None:
    for name in example.arrives.body:
        body = copy.deepcopy(example.arrives.body)
        body[name] = [left] if isinstance(body[name], list) else left
        with pytest.raises(InvalidMessage, match="shortened"):
            event_told(example.arrives.endpoint, example.arrives.event_id, body)


def test_a_mix_with_fewer_paths_than_stems_is_refused() -> None:
    example = EXAMPLES["stage mixed"]
    body = example.arrives.body | {"stem_paths": example.arrives.body["stem_paths"][:-1]}
    with pytest.raises(InvalidMessage):
        event_told("/mixing-complete", example.arrives.event_id, body)


def test_an_endpoint_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="no endpoint '/delete-all'"):
        event_told("/delete-all", "msg_1.x.y", {})
