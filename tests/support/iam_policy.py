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
    """

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@frozen
class Permission:
    """One action on one resource, under one statement: the least that can be taken away."""

    sid: str
    action: str
    resource: str
    condition: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.sid}: {self.action} on {self.resource.rpartition(':')[2]}"

    def allows(self, call: Call) -> bool:
        """Whether the call needs no more than this."""
        return (
            _matches(self.action, call.action)
            and _matches(self.resource, call.resource)
            and all(_holds(each, dict(call.context)) for each in self.condition)
        )


@frozen
class Policy:
    """What is allowed. Everything else isn't."""

    permissions: tuple[Permission, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The policy of a JSON document. Raises ValueError for what isn't known here."""
        found: list[Permission] = []
        for statement in document["Statement"]:
            known = {"Sid", "Effect", "Action", "Resource", "Condition"}
            if statement["Effect"] != "Allow" or not statement.keys() <= known:
                raise ValueError(f"not judged here: {statement}")
            condition = tuple(_conditions(statement.get("Condition", {})))
            found += [
                Permission(statement["Sid"], action, resource, condition)
                for action in _several(statement["Action"])
                for resource in _several(statement["Resource"])
            ]
        return cls(tuple(found))

    def allows(self, call: Call) -> bool:
        """Whether any permission allows the call."""
        return any(each.allows(call) for each in self.permissions)

    def without(self, permission: Permission) -> Self:
        """The policy that has all permissions but one."""
        return evolve(self, permissions=tuple(p for p in self.permissions if p != permission))


def _conditions(document: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    for operator, keys in document.items():
        if operator not in ("Null", "StringNotEquals"):
            raise ValueError(f"an unknown operator: {operator}")
        for key, value in keys.items():
            yield operator, key, value


def _holds(condition: tuple[str, str, str], context: Mapping[str, str]) -> bool:
    operator, key, value = condition
    if operator == "Null":
        return (key not in context) == (value == "true")
    # As IAM has it, a negated comparison holds for a key that isn't there.
    return context.get(key) != value


def _matches(pattern: str, text: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
