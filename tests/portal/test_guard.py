"""What never reaches a page: other hosts, other sites' forms, what is too large or too slow."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from portal import guard
from portal.guard import BODY_MAX, Guard
from portal.sessions import COOKIE
from tests.portal.site import ADDRESS, HOST, Site

OWN = {"origin": ADDRESS, "sec-fetch-site": "same-origin"}


@pytest.mark.parametrize("host", ["evil.example", "", "127.0.0.1", f"{HOST}.evil.example"])
async def test_another_host_is_not_answered(site: Site, host: str) -> None:
    async with site.browser() as browser:
        answer = await browser.get("/sign-in", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:9999", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": ADDRESS, "sec-fetch-site": "none"},
        {"origin": "https://evil.example", "sec-fetch-site": ""},
        {"origin": "null", "sec-fetch-site": "same-origin"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(site: Site, headers: dict[str, str]) -> None:
    async with site.browser("anna") as browser:
        assert (await browser.post("/sign-out", headers=headers)).status_code == 403
        assert (await browser.get("/users")).status_code == 200


async def test_a_request_of_no_browser_we_know_changes_nothing(site: Site) -> None:
    async with site.browser("anna") as browser:
        del browser.headers["origin"]
        del browser.headers["sec-fetch-site"]
        assert (await browser.post("/sign-out")).status_code == 403


async def test_a_large_body_is_refused_before_anybody_reads_it(site: Site) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * BODY_MAX

    async with site.browser() as browser:
        declared = await browser.post("/sign-in", content=b"x" * 10_000_000)
        streamed = await browser.post("/sign-in", content=endless())
    assert (declared.status_code, streamed.status_code) == (413, 413)


async def test_a_body_that_comes_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0.01)
    sent: list[Message] = []

    async def never_reached(*_: object) -> None:
        raise AssertionError

    async def silent() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"origin", ADDRESS.encode()), (b"content-length", b"9")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/sign-in",
        "raw_path": b"/sign-in",
        "query_string": b"",
        "headers": headers,
    }
    await Guard(never_reached, hosts={HOST}, origins={ADDRESS})(scope, silent, send)
    assert sent[0]["status"] == 408


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "//evil.example/",
        "/users/../../etc/passwd",
        "/users/",
        "/users/1e3/role",
        f"/{'a' * 3000}",
    ],
)
async def test_tricks_with_paths_find_nothing(site: Site, path: str) -> None:
    async with site.browser("anna") as browser:
        answer = await browser.get(f"{ADDRESS}{path}")
    assert answer.status_code in {404, 405, 414}
    assert "import" not in answer.text


async def test_every_answer_carries_the_policy(site: Site) -> None:
    async with site.browser("anna") as browser:
        for path in ("/users", "/sign-in", "/nowhere", "/static/portal.css"):
            headers = (await browser.get(path)).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in policy
        assert (await browser.get("/users")).headers["cache-control"] == "no-store"


async def test_over_tls_cookies_and_browsers_stay_with_tls(site: Site) -> None:
    guarded = Guard(lambda *_: None, hosts={"t.example"}, origins={"https://t.example"})  # type: ignore[arg-type]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"other.example")],
    }
    await guarded(scope, receive, send)
    assert (b"strict-transport-security", b"max-age=31536000") in sent[0]["headers"]
    assert not site.parts.sessions.cookie.startswith("__Host-")
    assert COOKIE in site.parts.sessions.cookie
