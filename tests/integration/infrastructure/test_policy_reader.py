"""The reader of policies that these tests judge by: it errs on no side."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.iam_policy import Call, Policy

CALL = Call("s3:GetObject", "arn:aws:s3:::b/k", (("aws:SecureTransport", "true"),), "somebody")


def statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Sid": "x", "Effect": effect, "Action": "s3:*", "Resource": "*", **more}


def allows(*statements: dict[str, Any], call: Call = CALL) -> bool:
    return Policy.of({"Statement": list(statements)}).allows(call)


def test_what_is_denied_no_permission_allows() -> None:
    assert allows(statement())
    assert not allows(statement(), statement("Deny"))
    assert not allows(statement("Deny"), statement())
    assert allows(statement(), statement("Deny", Action="s3:PutObject"))


def test_what_nothing_allows_is_not_allowed() -> None:
    assert not allows()
    assert not allows(statement("Deny", Action="sqs:*"))


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [
        ("Bool", "true", True),
        ("Bool", "false", False),
        ("StringEquals", "true", True),
        ("StringEquals", "false", False),
        ("StringNotEquals", "false", True),
        ("Null", "false", True),
        ("Null", "true", False),
    ],
)
def test_a_condition_is_judged_by_the_request(operator: str, value: str, holds: bool) -> None:
    condition = {operator: {"aws:SecureTransport": value}}
    assert allows(statement(Condition=condition)) == holds


@pytest.mark.parametrize("operator", ["Bool", "StringEquals"])
def test_a_key_that_the_request_lacks_equals_nothing(operator: str) -> None:
    condition = {operator: {"aws:SecureTransport": "false"}}
    call = Call(CALL.action, CALL.resource)
    assert not allows(statement(Condition=condition), call=call)


def test_a_principal_is_whom_the_statement_names() -> None:
    assert allows(statement(Principal="*"))
    assert allows(statement(Principal={"AWS": "somebody"}))
    assert allows(statement(Principal={"AWS": ["nobody", "somebody"]}))
    assert not allows(statement(Principal={"AWS": "nobody"}))


def test_what_is_not_known_is_not_judged() -> None:
    with pytest.raises(ValueError, match="not judged here"):
        allows(statement(NotPrincipal="*"))
    with pytest.raises(ValueError, match="an unknown operator"):
        allows(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    with pytest.raises(KeyError):
        allows(statement("Maybe"))
