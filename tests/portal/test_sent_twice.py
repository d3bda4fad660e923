"""Every form and button, filled in rightly and sent twice: what is in force is what one made."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from charging.people import LinkPurpose
from db import people
from tests.portal.site import PASSWORD, Site
from tests.portal.test_access import routes
from tests.portal.test_forms import bought, rows_of
from tests.portal.test_money_pages import KEY

# What tells of each request, and moves and grants nothing.
TOLD_EACH_TIME = {"audit_trail"}


@dataclass(frozen=True)
class Sent:
    """A form or button: its route, and what a browser sends."""

    route: str
    data: Mapping[str, str]
    who: str | None = "anna"
    anew: frozenset[str] = frozenset()  # tables in which each time has a row of its own

    def __str__(self) -> str:
        return self.route


FORMS = (
    Sent("/sign-in", {"address": "anna@example.com", "password": PASSWORD}, who=None),
    Sent("/sign-out", {}),
    Sent("/language", {"language": "fr", "next": "/"}),
    Sent("/office", {"office": "nice"}, who="carol"),
    Sent("/forgotten", {"address": "anna@example.com"}, who=None),
    Sent("/prove", {"password": PASSWORD}),
    Sent(
        "/welcome/{token}",
        {"password": "four words at random", "again": "four words at random"},
        who=None,
    ),
    Sent("/top-ups", {"amount": "50.00", "key": "d" * 32}),
    Sent(
        "/adjust",
        {"adjustment": "grant", "amount": "5", "reason": "an outage", "key": KEY[::-1]},
        who="carol",
    ),
    # One rule, with the moment at which it was agreed to.
    Sent("/refill", {"rule": "20.00:10.00"}, anew=frozenset({"refill_policies"})),
    Sent("/refill/try-again", {}),
    Sent("/billing/buyer", {"name": "Smith", "address": "2 Low Road", "language": "en"}),
    Sent("/billing/card", {}, anew=frozenset({"card_forms"})),
    # The code that was made first no longer works.
    Sent("/billing/support-code", {}, anew=frozenset({"support_codes"})),
    Sent("/payments/{payment_id}/confirm", {}),
    Sent("/payments/{payment_id}/cancel", {"code": "CODE", "reason": "by mistake"}, who="carol"),
    Sent("/notices", {"address": "zoe@example.com", "language": "en"}),
    Sent("/notices/remove", {"address": "zoe@example.com"}),
    Sent("/notices/level", {"level": "7.50"}),
    Sent("/extensions/{endpoint}", {"language": "fr", "day_limit": "2.50"}),
    Sent("/users", {"name": "Zoe", "address": "zoe@example.com", "role": "viewer"}),
    Sent("/users/{user_id}/role", {"role": "manager"}),
    Sent("/users/{user_id}/invite", {}),
    Sent("/users/{user_id}/end", {}),
    Sent("/sessions/end-others", {}),
    Sent("/calls/{call_id}/hang-up", {}),
)


def test_every_form_is_sent_twice() -> None:
    assert {form.route for form in FORMS} == {
        route.path for method, route in routes() if method == "POST"
    }


@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_what_is_sent_twice_is_done_once(site: Site, form: Sent) -> None:
    path, data = await _prepared(site, form)
    async with site.browser(form.who) as browser:
        assert (await browser.post(path, data=data)).status_code < 500
        once = rows_of(site)
        site.clock.advance(1)
        again = await browser.post(path, data=data)
    assert again.status_code < 500
    twice = rows_of(site)
    different = {name for name, rows in once.items() if rows != twice[name]}
    assert different <= TOLD_EACH_TIME | form.anew


async def _prepared(site: Site, form: Sent) -> tuple[str, dict[str, str]]:
    """With a payment, and a link and a code that work."""
    payment = await bought(site)
    vic, now = site.users["vic"].user_id, site.clock.now()
    token = site.write(lambda writer: people.make_link(writer, vic, LinkPurpose.RESET, now))
    code = site.write(
        lambda writer: people.make_support_code(writer, office_id="main", by="user:anna", at=now)
    )
    path = form.route.format(
        token=token, payment_id=payment.payment_id, endpoint="1001", user_id=vic, call_id="c1"
    )
    return path, {name: value.replace("CODE", code) for name, value in form.data.items()}
