"""When a message wants to be carried out: eta, expires, retries."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.celery_client import Protocol, celery_message
from waveflow.application.commands import (
    HashRequest,
)
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage
from waveflow.entrypoints.messages import (
    HASH_TASK,
    MessageParser,
)

PARSER = MessageParser(default_num_peaks=4000)
HASH_FIELDS = {"stemId": "stem-1", "filepath": "a/드럼 (1).wav"}
HASH_REQUEST = HashRequest(stem_id="stem-1", filepath="a/드럼 (1).wav")
DUE = datetime(2025, 7, 16, 7, 39, 22, 281000, UTC)

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def nested(**keys: object) -> str:
    return json.dumps({"task": HASH_TASK, "id": "sent-1", "args": [], "kwargs": HASH_FIELDS} | keys)


class TestSchedule:
    @each_protocol
    def test_eta_expires_and_retries_are_read(self, protocol: Protocol) -> None:
        options: dict[str, Any] = {"eta": DUE, "expires": DUE + timedelta(hours=1), "retries": 2}
        body = celery_message(HASH_TASK, "sent-1", HASH_FIELDS, protocol=protocol, **options)
        assert PARSER.parse(body) == ParsedMessage(
            HASH_REQUEST,
            "sent-1",
            not_before_s=DUE.timestamp(),
            expires_s=DUE.timestamp() + 3600,
            earlier_tries=2,
        )

    @each_protocol
    def test_a_countdown_and_seconds_until_expiry_are_counted_from_now(
        self, protocol: Protocol
    ) -> None:
        before = datetime.now(UTC).timestamp()
        parsed = PARSER.parse(
            celery_message("health_check", None, {}, protocol=protocol, countdown=60, expires=90.5)
        )
        assert parsed.not_before_s == pytest.approx(before + 60, abs=10)
        assert parsed.expires_s == pytest.approx(before + 90.5, abs=10)

    @each_protocol
    def test_the_senders_time_zone_makes_no_difference(self, protocol: Protocol) -> None:
        eta = DUE.astimezone(timezone(timedelta(hours=9)))
        body = celery_message(HASH_TASK, None, HASH_FIELDS, protocol=protocol, eta=eta)
        assert PARSER.parse(body).not_before_s == DUE.timestamp()

    @each_protocol
    def test_a_time_without_zone_is_utc(self, protocol: Protocol) -> None:
        eta = DUE.replace(tzinfo=None)
        body = celery_message(HASH_TASK, None, HASH_FIELDS, protocol=protocol, eta=eta)
        assert PARSER.parse(body).not_before_s == DUE.timestamp()

    def test_the_nested_form_may_say_it_too(self) -> None:
        parsed = PARSER.parse(nested(eta="2025-07-16T07:39:22.281Z", retries=1, expires=None))
        assert parsed.not_before_s == DUE.timestamp()
        assert parsed.earlier_tries == 1

    def test_beside_the_fields_of_the_flat_form_it_is_unknown(self) -> None:
        ignored = {"eta": "2125-07-16T07:39:22Z", "expires": "soon", "retries": -1}
        for message in (HASH_FIELDS, {"task": HASH_TASK} | HASH_FIELDS):
            assert PARSER.parse(json.dumps(message | ignored)) == ParsedMessage(HASH_REQUEST)

    @pytest.mark.parametrize("name", ["eta", "expires"])
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ("soon", "but is 'soon'"),
            ("", "but is ''"),
            ("2025-13-01T00:00:00Z", "but is '2025-13-01T00:00:00Z'"),
            ("2025-07-16T07:39:22+99:00", "but is '2025-07-16T07:39:22+99:00'"),
            ("\ud800", "but is '\\ud800'"),
            (1752651562, "but is a number"),
            (0, "but is a number"),
            (True, "but is a boolean"),
            ({"__type__": "datetime"}, "but is an object"),
        ],
    )
    def test_a_time_that_is_none_is_refused(self, name: str, value: object, told: str) -> None:
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(nested(**{name: value}))
        what = f"{name} must be an ISO 8601 time such as '2025-07-16T07:39:22Z'"
        assert str(error.value) == f"{HASH_TASK}: {what}, {told}."

    @pytest.mark.parametrize(
        ("retries", "told"),
        [
            (-1, "but is -1"),
            (2**31, "but is 2147483648"),
            (1.0, "but is a decimal number"),
            ("2", "but is text"),
            (True, "but is a boolean"),
        ],
    )
    def test_retries_that_are_no_count_are_refused(self, retries: object, told: str) -> None:
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(nested(retries=retries))
        assert (
            str(error.value) == f"{HASH_TASK}: retries must be a whole number, 0 or more, {told}."
        )

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
    def test_the_ends_of_time_are_times(self, moment: str) -> None:
        assert isinstance(PARSER.parse(nested(eta=moment)).not_before_s, float)

    def test_everything_wrong_is_told_at_once(self) -> None:
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(nested(eta=7, args=[1], kwargs={"stemId": "stem-1", "filepath": 7}))
        for problem in ("eta must be an", "args must be empty", "filepath must be text"):
            assert problem in str(error.value)


@given(
    st.datetimes(timezones=st.timezones() | st.none()),
    st.integers(min_value=0, max_value=100),
    st.sampled_from(PROTOCOLS),
)
def test_any_time_and_count_arrive_as_they_were_sent(
    eta: datetime, retries: int, protocol: Protocol
) -> None:
    # What Celery can't calculate with itself never gets here.
    body = celery_message(
        "health_check", None, {}, protocol=protocol, eta=eta.isoformat(), retries=retries
    )
    parsed = PARSER.parse(body)
    aware = eta if eta.tzinfo else eta.replace(tzinfo=UTC)
    assert parsed.not_before_s == datetime.fromisoformat(aware.isoformat()).timestamp()
    assert parsed.earlier_tries == retries
