"""A reader of IAM policies, as far as ours go: what it doesn't know, it refuses to judge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from attrs import evolve, frozen


@frozen
class Call:
    """One request to AWS, as a policy sees it.

    Attributes:
        context: condition keys of the request, such as `s3:if-match`; absent ones are left out.
        principal: who asks; only policies of a bucket, a queue or a role look at it.
    """

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()
    principal: str = ""


@frozen
class Permission:
    """One action on one resource, under one statement: the least that can be taken away.

    Of a statement that denies, it is what is denied.
    """

    sid: str
    action: str
    resource: str
    condition: tuple[tuple[str, str, str], ...] = ()
    principal: str = "*"

    def __str__(self) -> str:
        return f"{self.sid}: {self.action} on {self.resource.rpartition(':')[2]}"

    def covers(self, call: Call) -> bool:
        """Whether the call needs no more than this."""
        return (
            _matches(self.action, call.action)
            and _matches(self.resource, call.resource)
            and _matches(self.principal, call.principal)
            and all(_holds(each, dict(call.context)) for each in self.condition)
        )


@frozen
class Policy:
    """What is allowed, but for what is denied. Everything else isn't allowed either."""

    permissions: tuple[Permission, ...]
    denials: tuple[Permission, ...] = ()

    @classmethod
    def of(cls, *documents: Mapping[str, Any]) -> Self:
        """All that JSON documents say together. Raises ValueError for what isn't known here."""
        effects: dict[str, list[Permission]] = {"Allow": [], "Deny": []}
        for document in documents:
            for statement in document["Statement"]:
                effects[statement["Effect"]] += _permissions(statement)
        return cls(tuple(effects["Allow"]), tuple(effects["Deny"]))

    def allows(self, call: Call) -> bool:
        """Whether a permission allows the call, and nothing denies it."""
        return any(each.covers(call) for each in self.permissions) and not any(
            each.covers(call) for each in self.denials
        )

    def without(self, permission: Permission) -> Self:
        """The policy that has all permissions but one."""
        return evolve(self, permissions=tuple(p for p in self.permissions if p != permission))


def _permissions(statement: Mapping[str, Any]) -> Iterator[Permission]:
    known = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}
    if not statement.keys() <= known:
        raise ValueError(f"not judged here: {statement}")
    condition = tuple(_conditions(statement.get("Condition", {})))
    for action in _several(statement["Action"]):
        # A role's trust is in no resource but the role itself.
        for resource in _several(statement.get("Resource", "*")):
            for principal in _principals(statement.get("Principal", "*")):
                yield Permission(statement.get("Sid", ""), action, resource, condition, principal)


def _principals(document: str | Mapping[str, str | Sequence[str]]) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    else:
        for names in document.values():
            yield from _several(names)


def _conditions(document: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    for operator, keys in document.items():
        if operator not in ("Null", "Bool", "StringEquals", "StringNotEquals"):
            raise ValueError(f"an unknown operator: {operator}")
        for key, value in keys.items():
            yield operator, key, value


def _holds(condition: tuple[str, str, str], context: Mapping[str, str]) -> bool:
    operator, key, value = condition
    if operator == "Null":
        return (key not in context) == (value == "true")
    if operator in ("Bool", "StringEquals"):
        return context.get(key) == value
    # As IAM has it, a negated comparison holds for a key that isn't there.
    return context.get(key) != value


def _matches(pattern: str, text: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
