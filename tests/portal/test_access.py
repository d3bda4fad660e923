"""Every route, tried by everybody who must not use it. The list of routes is itself tested."""

import re
from collections.abc import Iterator

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from charging.people import Role
from db import people
from portal.access import (
    PUBLIC,
    May,
    UndeclaredRouteError,
    anybody,
    declarations,
    require_declared,
)
from portal.app import SCREENS, bare_app
from portal.sessions import COOKIE
from tests.portal.site import Site

PUBLIC_PATHS = {
    "/static/{name}",
    "/sign-in",
    "/forgotten",
    "/welcome/{token}",
    "/language",
    "/api-reference",
}
KNOWN = {
    ("GET", "/users"),
    ("POST", "/users/{user_id}/role"),
    ("GET", "/audit-trail"),
    ("POST", "/sign-out"),
}


def routes() -> list[tuple[str, APIRoute]]:
    found = [route for module in SCREENS for route in module.router.routes]
    return [(method, route) for route in found for method in sorted(route.methods)]


def closed() -> list[tuple[str, APIRoute]]:
    return [(method, route) for method, route in routes() if anybody not in declarations(route)]


def path_of(route: APIRoute) -> str:
    return re.sub(r"\{[^}]+\}", "1", route.path)


def ids(listed: list[tuple[str, APIRoute]]) -> list[str]:
    return [f"{method} {route.path}" for method, route in listed]


def test_the_list_of_routes_is_that_of_the_application(site: Site) -> None:
    """Red when FastAPI keeps routes elsewhere, and the tests below would try nothing."""
    served = {
        (method, route.path)
        for route in bare_app(site.parts).routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    listed = {(method, route.path) for method, route in routes()}
    assert served == listed
    assert listed > KNOWN
    assert {route.path for _, route in routes()} - {route.path for _, route in closed()} == (
        PUBLIC_PATHS
    )


def _undeclared() -> Iterator[FastAPI]:
    plain = FastAPI(openapi_url=None)
    plain.get("/open")(lambda: None)
    yield plain
    twice = FastAPI(openapi_url=None)
    twice.get("/both", dependencies=[PUBLIC, Depends(May(Role.VIEWER))])(lambda: None)
    yield twice
    included = FastAPI(openapi_url=None)
    router = APIRouter()
    router.get("/hidden")(lambda: None)
    included.include_router(router)
    yield included
    foreign = FastAPI(openapi_url=None)
    foreign.router.routes.append(Route("/other", lambda _: None))
    yield foreign


@pytest.mark.parametrize("app", list(_undeclared()))
def test_a_route_that_does_not_say_who_may_use_it_stops_the_start(app: FastAPI) -> None:
    with pytest.raises(UndeclaredRouteError):
        require_declared(app.routes)


@pytest.mark.parametrize(("method", "route"), closed(), ids=ids(closed()))
async def test_without_a_session_every_route_leads_to_signing_in(
    site: Site, method: str, route: APIRoute
) -> None:
    async with site.browser() as browser:
        answer = await browser.request(method, path_of(route))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(("method", "route"), closed(), ids=ids(closed()))
async def test_a_session_that_has_ended_opens_nothing(
    site: Site, method: str, route: APIRoute
) -> None:
    token = site.token("anna")
    site.write(
        lambda writer: people.end_sessions(writer, site.users["anna"].user_id, site.clock.now())
    )
    async with site.browser() as browser:
        browser.cookies.set(COOKIE, token)
        answer = await browser.request(method, path_of(route))
    assert answer.headers["location"].startswith("/sign-in")


def _for_more_than_reading() -> list[tuple[str, APIRoute]]:
    return [
        (method, route)
        for method, route in closed()
        if any(
            isinstance(each, May) and Role.VIEWER not in each.roles for each in declarations(route)
        )
    ]


@pytest.mark.parametrize(
    ("method", "route"), _for_more_than_reading(), ids=ids(_for_more_than_reading())
)
async def test_a_viewer_changes_nothing(site: Site, method: str, route: APIRoute) -> None:
    async with site.browser("vic") as browser:
        answer = await browser.request(method, path_of(route), data={"role": "manager"})
    assert answer.status_code == 403


VIEWERS_MAY_POST = {"/sign-out", "/office", "/prove", "/sessions/end-others", "/rates"}


def test_only_what_concerns_oneself_is_sent_by_viewers() -> None:
    changing = {route.path for method, route in closed() if method == "POST"}
    assert changing - {route.path for _, route in _for_more_than_reading()} <= VIEWERS_MAY_POST


async def test_a_manager_of_another_office_finds_nobody_of_this_one(site: Site) -> None:
    """Whatever a path names is looked for in the office of the session alone."""
    anna = site.users["anna"]
    async with site.browser("remi") as browser:
        for path in ("role", "end", "invite"):
            answer = await browser.post(f"/users/{anna.user_id}/{path}", data={"role": "viewer"})
            assert answer.status_code == 404, path
        listed = await browser.get("/users")
    assert "anna@example.com" not in listed.text
    assert site.read(lambda reader: people.user_of(reader, anna.user_id)) == anna


async def test_nobody_moves_into_an_office_that_is_not_theirs(site: Site) -> None:
    async with site.browser("remi") as browser:
        await browser.post("/office", data={"office": "main"})
        assert "anna@example.com" not in (await browser.get("/users")).text
    async with site.browser("carol") as browser:
        assert "anna@example.com" in (await browser.get("/users")).text
        await browser.post("/office", data={"office": "nice"})
        assert "remi@example.com" in (await browser.get("/users")).text


async def test_an_old_proof_of_identity_is_asked_for_again_and_what_was_sent_goes_on(
    site: Site,
) -> None:
    async with site.browser("anna") as browser:
        site.clock.advance(16 * 60)
        invitation = {"name": "Zoë", "address": "zoe@example.com", "role": "viewer"}
        asked = await browser.post("/users", data=invitation)
        await site.deliver()
        assert site.mail.links == []
        action = re.search(r'action="(/prove[^"]+)"', asked.text)
        assert action is not None
        kept = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', asked.text))
        assert kept | invitation == kept
        proof = kept | {"password": "correct horse battery"}
        done = await browser.post(
            action[1].replace("&amp;", "&"), data=proof, follow_redirects=True
        )
    assert done.status_code == 200
    await site.deliver()
    assert site.mail.to == ["zoe@example.com"]
