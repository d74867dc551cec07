"""A real headless Chromium for tests of pages, and what a page did in it.

`browser` (a fixture, see `conftest.py`) is started once per run; `opened` gives each test a page in
a profile of its own and, at the end, holds it against what no page of ours may do: write errors to
the console, break its Content-Security-Policy, throw, or ask any host but this machine.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from attrs import Factory, define
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever a page asks for: nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
HERE = {"127.0.0.1", "localhost"}
WITHIN_MS = 20_000
"""How long an action or an expectation waits; the machine may be busy."""

_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


@define
class Opened:
    """A page, and what it did so far.

    Attributes:
        requests: all that it asked for, in order.
        errors: what it wrote to the console as an error, and exceptions that nobody caught.
        foreign: addresses of other machines that it asked for.
    """

    page: Page
    requests: list[Request] = Factory(list)
    errors: list[str] = Factory(list)
    foreign: list[str] = Factory(list)

    def asked(self, pattern: str) -> list[Request]:
        """The requests so far whose address has `pattern` (a regular expression) in it."""
        return [request for request in self.requests if re.search(pattern, request.url)]

    def require_clean(self, allowed_errors: Sequence[str] = ()) -> None:
        """Raise AssertionError for foreign hosts, violations of the policy, and console errors.

        Args:
            allowed_errors: regular expressions; errors that one of them is found in are expected.
        """
        assert self.foreign == [], f"asked foreign hosts: {self.foreign}"
        assert self.page.evaluate("window.violations ?? []") == [], "the policy was broken"
        left = [e for e in self.errors if not any(re.search(one, e) for one in allowed_errors)]
        assert left == [], f"errors in the console: {left}"

    def note_request(self, request: Request) -> None:
        """Remember one request."""
        self.requests.append(request)
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in HERE:
            self.foreign.append(request.url)

    def note_message(self, message: ConsoleMessage) -> None:
        """Remember what was written to the console, if it is an error."""
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")


def find_chromium() -> str:
    """The program that `CHROMIUM` names, or the first of `NAMES`; else skip, or fail in CI."""
    named = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, [named] if named else NAMES)), None)
    if found is not None:
        return found
    reason = f"there is no {named or 'Chromium'}: install it, or name it by CHROMIUM"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium of this machine, headless, with nothing of earlier runs."""
    program = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser,
    address: str = "about:blank",
    *,
    width: int = 1280,
    height: int = 900,
    colour_scheme: Literal["light", "dark"] = "light",
    allowed_errors: Sequence[str] = (),
    init_script: str = "",
    **context_options: Any,
) -> Iterator[Opened]:
    """A page in a new, empty profile, gone to `address`; `require_clean` at the end.

    Args:
        allowed_errors: see `Opened.require_clean`.
        init_script: run in each document before its own scripts.
        context_options: further ones of playwright's `new_context`, `locale` say.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=colour_scheme,
        **context_options,
    )
    try:
        one = _watched(context, init_script)
        if address != "about:blank":
            one.page.goto(address)
        yield one
        one.require_clean(allowed_errors)
    finally:
        context.close()


def _watched(context: BrowserContext, init_script: str) -> Opened:
    context.set_default_timeout(WITHIN_MS)
    context.add_init_script(_VIOLATIONS + init_script)
    one = Opened(context.new_page())
    # Of the context, so that workers and windows count as well.
    context.on("request", lambda request: one.note_request(request))
    context.on("console", lambda message: one.note_message(message))
    one.page.on("pageerror", lambda error: one.errors.append(str(error)))
    return one
