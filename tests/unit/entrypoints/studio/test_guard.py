"""Who is let in, what each answer's headers forbid, and what no other page can do."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from starlette.responses import PlainTextResponse

from tests.unit.entrypoints.studio.rig import Rig
from waveflow.entrypoints.studio.guard import Guard


def stranger(rig: Rig, **headers: str) -> httpx.Client:
    """Somebody on this machine without the token."""
    return httpx.Client(base_url=rig.page.base_url, headers=headers, timeout=10)


def test_the_printed_address_lets_in_by_a_cookie_and_leaves_no_token_behind(rig: Rig) -> None:
    with stranger(rig) as browser:
        answer = browser.get(rig.server.address.url)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"waveflow_studio_{rig.server.address.port}=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert browser.get("/").status_code == 200


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_from_a_link_on_another_site_a_page_of_ours_goes_on(rig: Rig, site: str) -> None:
    # A redirect would count as that site's, and come without the cookie.
    with stranger(rig, **{"Sec-Fetch-Site": site}) as browser:
        answer = browser.get(rig.server.address.url)
        assert answer.status_code == 200
        assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text
        assert rig.server.address.token not in answer.text
        assert "SameSite=strict" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/", "/?token=guessed", "/?token=", "/?token=%ff", "/static/x"])
def test_without_the_token_there_is_a_page_that_says_where_it_is(rig: Rig, path: str) -> None:
    with stranger(rig) as browser:
        answer = browser.get(path)
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/plain")
        assert "open the one that `waveflow studio` has printed" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/api/state", "/api/events", "/api/stems/stem-1/audio", "/api/x"])
def test_nor_is_the_api_open_to_strangers(rig: Rig, path: str) -> None:
    with stranger(rig, Cookie=f"waveflow_studio_{rig.server.address.port}=guessed") as browser:
        answer = browser.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "no_token")


def test_the_token_is_for_the_page_alone(rig: Rig) -> None:
    with stranger(rig) as browser:
        answer = browser.get(f"/api/state?token={rig.server.address.token}")
        assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:{}", ""])
def test_a_name_of_somebody_elses_that_leads_here_is_refused(rig: Rig, host: str) -> None:
    headers = {"Host": host.format(rig.server.address.port)}
    answer = rig.page.get("/api/state", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_host")
    answer = rig.page.get("/", headers=headers)
    assert answer.status_code == 400
    assert answer.text.startswith("The studio has another address: open the one that")


def test_browsers_leave_out_the_port_80() -> None:
    async def statuses() -> list[int]:
        transport = httpx.ASGITransport(Guard(PlainTextResponse("in"), "secret", 80))
        cookies = {"waveflow_studio_80": "secret"}
        async with httpx.AsyncClient(transport=transport, cookies=cookies) as browser:
            hosts = ("127.0.0.1", "localhost", "127.0.0.1:81")
            ours = {"Origin": "http://127.0.0.1"}
            return [
                (await browser.get(f"http://{host}/", headers=ours)).status_code for host in hosts
            ]

    assert asyncio.run(statuses()) == [200, 200, 400]


def test_localhost_is_this_machine_too(rig: Rig) -> None:
    host = {"Host": f"localhost:{rig.server.address.port}"}
    assert rig.page.get("/api/state", headers=host).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/api/stems?name=a.wav"), ("POST", "/api/song"), ("POST", "/api/mixes")],
)
class TestWrites:
    def test_a_form_of_another_page_can_not_write(self, rig: Rig, method: str, path: str) -> None:
        for value in ("", "0"):
            answer = rig.page.request(method, path, content=b"x", headers={"X-Waveflow": value})
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_header")

    @pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
    def test_nor_can_a_script_of_another_page(
        self, rig: Rig, method: str, path: str, origin: str
    ) -> None:
        answer = rig.page.request(method, path, content=b"x", headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin")


@pytest.mark.parametrize(("site", "status"), [("same-site", 403), ("cross-site", 403)])
def test_another_page_can_not_embed_what_is_here(rig: Rig, site: str, status: int) -> None:
    assert rig.page.get("/api/state", headers={"Sec-Fetch-Site": site}).status_code == status
    assert rig.page.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200


def test_the_page_itself_may_write(rig: Rig) -> None:
    origin = {"Origin": str(rig.page.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    answer = rig.page.post("/api/mixes", json={"stem_ids": []}, headers=origin)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_stems")


@pytest.mark.parametrize("path", ["/", "/api/state", "/nowhere", "/static/nothing.js"])
def test_every_answer_forbids_what_the_page_does_not_need(rig: Rig, path: str) -> None:
    headers = rig.page.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(
        part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
    )
    assert policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] in ("'self'", "'none'")
    assert "unsafe" not in policy.get("script-src", "")
    assert headers["cache-control"] in ("no-cache", "no-store")
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_what_strangers_made_is_no_page_of_ours(rig: Rig) -> None:
    policy = rig.page.get("/api/state").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2fguard.py",
        "/static/../guard.py",
        "/vendor/..%2f..%2fsettings.py",
        "/static/%2e%2e/guard.py",
        "/static//etc/passwd",
        "/api/stems/..%2f..%2fstudio.json/audio",
        "/api/../studio.json",
        "/studio.json",
    ],
)
def test_nothing_else_of_this_machine_can_be_had(rig: Rig, path: str) -> None:
    answer = rig.page.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is nothing here.", "code": "not_found"}


def test_scripts_have_the_type_that_browsers_want(rig: Rig) -> None:
    answer = rig.page.get("/vendor/wavesurfer.esm.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    again = rig.page.get(
        "/vendor/wavesurfer.esm.js", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


def test_the_page_is_html(rig: Rig) -> None:
    answer = rig.page.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.lower().startswith("<!doctype html>")
    assert rig.page.head("/").content == b""


def test_each_load_of_the_page_allows_one_style_element_of_its_own(rig: Rig) -> None:
    nonces = []
    for answer in (rig.page.get("/"), rig.page.get("/")):
        allowed = re.search(
            r"style-src 'self' 'nonce-([\w-]+)'", answer.headers["content-security-policy"]
        )
        assert allowed
        assert f'content="{allowed[1]}"' in answer.text
        nonces.append(allowed[1])
    assert len(set(nonces)) == 2


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/state"), ("POST", "/"), ("PATCH", "/api/stems")]
)
def test_what_can_not_be_done_is_said(rig: Rig, method: str, path: str) -> None:
    answer = rig.page.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "not_allowed")
