"""Plans, decks, extensions and whole `Charging` objects for tests."""

from collections.abc import Iterable
from datetime import date
from zoneinfo import ZoneInfo

from charging.errors import ChargingUnavailable
from charging.extensions import Extension
from charging.kinds import LineKind
from charging.money import Money, parse_money
from charging.numbering import Site
from charging.offices import Office, OfficesSnapshot
from charging.plan import Inclusion, Plan
from charging.ports import Clock, Ledger
from charging.rate_deck import DeckKey, RateDeck, RateFields
from charging.rates import Rate
from charging.usecases import Authorisation, CallRequest, Charging, PaidAuthorisation
from tests.fakes.clock import ManualClock


def gbp(amount: str) -> Money:
    return parse_money(amount, "GBP")


def eur(amount: str) -> Money:
    return parse_money(amount, "EUR")


UK_PLAN = Plan(
    name="uk",
    title="UK",
    country="GB",
    currency="GBP",
    language="en",
    timezone=ZoneInfo("Europe/London"),
    inclusions=(
        Inclusion(
            countries=frozenset({"GB"}),
            kinds=frozenset({LineKind.LANDLINE, LineKind.MOBILE, LineKind.NATIONAL}),
        ),
    ),
    included_prefixes=frozenset(),
    excluded_prefixes=frozenset(),
    free_kinds=frozenset({LineKind.TOLL_FREE}),
    free_prefixes=frozenset(),
    barred_kinds=frozenset({LineKind.SATELLITE}),
    barred_countries=frozenset(),
    barred_prefixes=frozenset({"979"}),
    premium_allowed=True,
    access_per_minute=gbp("0.13"),
    access_connection=gbp("0"),
    daily_ceiling=None,
)

FRANCE_MOBILE = "0033612345678"  # 0.10 a minute, 60/60
GERMANY = "0049301234567"  # 0.05 on answer, 0.06 a minute, 30/6
DIRECTORY = "118118"  # service charge 1.00 per call and 0.50 a minute, 60/1


def rate(
    per_minute: str,
    *,
    connection: str = "0",
    per_call: str = "0",
    blocks: tuple[int, int] = (60, 60),
    currency: str = "GBP",
) -> Rate:
    return Rate(
        per_minute=parse_money(per_minute, currency),
        connection_charge=parse_money(connection, currency),
        per_call=parse_money(per_call, currency),
        initial_s=blocks[0],
        increment_s=blocks[1],
    )


def deck_row(
    prefix: str, destination: str, of: Rate, *, effective: date = date(2026, 1, 1)
) -> tuple[str, RateFields]:
    return prefix, RateFields(
        destination,
        of.per_minute.micros,
        of.connection_charge.micros,
        of.per_call.micros,
        of.initial_s,
        of.increment_s,
        effective.toordinal(),
    )


DECK = RateDeck(
    [
        deck_row("33", "France landline", rate("0.02")),
        deck_row("336", "France mobile", rate("0.10")),
        deck_row("49", "Germany", rate("0.06", connection="0.05", blocks=(30, 6))),
        deck_row("44", "United Kingdom", rate("0.02")),
        deck_row("4470", "UK personal", rate("0.55")),
        deck_row("44843", "UK 0843", rate("0.07", blocks=(60, 1))),
        deck_row("441534", "Jersey", rate("0.06")),
        deck_row("GB:118", "UK directory", rate("0.50", per_call="1.00", blocks=(60, 1))),
    ],
    currency="GBP",
)

RECEPTION = Extension(endpoint="1001", number="1001", name="Reception", office_id="main")


def office_on(plan: Plan = UK_PLAN, office_id: str = "main", *, site: Site | None = None) -> Office:
    """As its plan says; `site` where its phones stand elsewhere."""
    return Office(
        id=office_id,
        plan=plan,
        site=site or Site(country=plan.country),
        time_zone=plan.timezone,
        language=plan.language,
    )


class FixedOffices:
    """Offices that change when a test says so."""

    def __init__(self, offices: Iterable[Office], extensions: Iterable[Extension]) -> None:
        self.current = OfficesSnapshot(offices, extensions)

    def snapshot(self) -> OfficesSnapshot:
        return self.current


def offices_on(plan: Plan, extensions: Iterable[Extension]) -> FixedOffices:
    """Main, branch and every office that has an extension, on the same plan."""
    known = tuple(extensions)
    names = dict.fromkeys(["main", "branch", *(extension.office_id for extension in known)])
    return FixedOffices([office_on(plan, name) for name in names], known)


class OneDeck:
    def __init__(self, deck: RateDeck | None = DECK) -> None:
        self.current = deck  # None: the database was never reached

    def deck(self, key: DeckKey) -> RateDeck:
        if self.current is None:
            raise ChargingUnavailable("no rate deck could be read yet")
        known = self.current.currency == key.currency
        return self.current if known else RateDeck((), currency=key.currency)


def charging_with(  # noqa: PLR0913 - each part may be replaced by a test
    ledger: Ledger,
    *,
    clock: Clock | None = None,
    plan: Plan = UK_PLAN,
    decks: OneDeck | None = None,
    extensions: Iterable[Extension] = (RECEPTION,),
    offices: FixedOffices | None = None,
) -> Charging:
    return Charging(
        offices=offices or offices_on(plan, extensions),
        decks=decks or OneDeck(),
        ledger=ledger,
        clock=clock or ManualClock(),
    )


def request(
    call_id: str, dialled: str = FRANCE_MOBILE, *, endpoint: str = "1001", channel: str = ""
) -> CallRequest:
    return CallRequest(
        call_id=call_id,
        endpoint=endpoint,
        dialled=dialled,
        caller_channel=channel or f"channel-of-{call_id}",
        asterisk="pbx",
    )


def heard(authorisation: Authorisation) -> Money | None:
    """The balance that is announced; None: the call is not paid for."""
    return authorisation.balance if isinstance(authorisation, PaidAuthorisation) else None
