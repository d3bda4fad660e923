"""The managers' pages: whether the process is well, and whether a browser would be answered."""

import asyncio
import http.client
from collections.abc import Iterator
from ipaddress import ip_address

from admin.checks.database import ledger_of
from admin.checks.findings import Finding, ok, problem, warning
from assembly.health import NoAnswerError, ask
from db import people
from db.ledger import read_from
from settings import PortalSettings, Settings

HTTP_TIMEOUT_S = 5


def check_portal(settings: Settings) -> Iterator[Finding]:
    with ledger_of(settings) as engine:
        if engine is None:
            return
        users = read_from(engine, people.users_of)
    if not users:
        yield ok("nobody has access to the portal")
        return
    try:
        health = asyncio.run(ask("portal", settings))
    except NoAnswerError as error:
        yield problem(
            f"the portal, to which {len(users)} have access, cannot be asked how it is: {error}",
            "`tollgate serve`, or see its log; ask as root or as the user who runs it, with the"
            " same settings",
        )
        return
    for about, said in health.problems.items():
        yield problem(
            f"the portal, run by {health.user}, cannot use the {about}: {said}",
            "let that user write to the ledger and its folder",
        )
    yield judge_answer(settings.portal)
    if settings.notices.smtp_host is None:
        yield warning(
            "the portal mails no link: invitations and forgotten passwords wait for"
            " `tollgate user reset`",
            "[notices] smtp_host",
        )


def judge_answer(portal: PortalSettings) -> Finding:
    """As a browser would be, or the proxy before it."""
    address = ip_address(portal.address)
    own = str(address)
    if address.is_unspecified:
        own = "::1" if address.version == 6 else "127.0.0.1"  # noqa: PLR2004 - of IP
    host = portal.address_for_browsers.partition("://")[2]
    connection = http.client.HTTPConnection(own, portal.port, timeout=HTTP_TIMEOUT_S)
    try:
        connection.request("GET", "/sign-in", headers={"Host": host})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return problem(
            f"the portal does not answer at {own}, port {portal.port}: {error}",
            "see its log, and what else listens there: ss -ltnp",
        )
    finally:
        connection.close()
    if status == http.HTTPStatus.OK:
        return ok(f"the portal answers; browsers reach it at {portal.address_for_browsers}")
    return problem(
        f"the portal answers status {status} where it asks to sign in",
        "see its log, and whether another program listens at [portal] port",
    )
