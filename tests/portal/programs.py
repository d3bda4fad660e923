"""Programs that use the API of a test's site."""

import itertools
from datetime import timedelta

import httpx

from charging.commands import TopUp
from charging.people import Role
from db.api_tokens import add_token
from portal.app import portal_app
from tests.fakes.charging import gbp
from tests.portal.site import ADDRESS, HOST, Site

_numbers = itertools.count(1)


def token(
    site: Site, role: Role = Role.VIEWER, office_id: str = "main", *, days: float = 30
) -> str:
    """A new one, with a name of its own."""
    now = site.clock.now()
    return site.write(
        lambda writer: add_token(
            writer,
            name=f"{role.value}-{next(_numbers)}",
            office_id=office_id,
            role=role,
            by="cli:test",
            at=now,
            expires_at=now + timedelta(days=days),
        )
    )


def program(site: Site, sent: str | None = None) -> httpx.AsyncClient:
    """A program, which says nothing of an origin; `sent` is its token."""
    headers = {} if sent is None else {"authorization": f"Bearer {sent}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(portal_app(site.parts, hosts={HOST})),
        base_url=f"{ADDRESS}/api/v1",
        headers=headers,
    )


def of_role(site: Site, role: Role, office_id: str = "main") -> httpx.AsyncClient:
    return program(site, token(site, role, office_id))


async def fill(site: Site, amount: str, *, key: str = "cash", office_id: str = "main") -> None:
    await site.ledger.carry_out(
        TopUp(
            office_id=office_id,
            amount=gbp(amount),
            key=key,
            actor="cli:test",
            reason="by hand",
            at=site.clock.now(),
        )
    )
