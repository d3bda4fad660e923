"""An office in London and one in Paris on one Asterisk, whose phones have the same extensions."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from charging.errors import (
    InsufficientBalance,
    InvalidNumber,
    UnknownExtension,
    UnknownOffice,
)
from charging.kinds import LineKind
from charging.numbering import Site
from charging.offices import OfficesSnapshot
from charging.plan import Category, Inclusion
from charging.rate_deck import DeckKey, RateDeck
from charging.usecases import Charging, PaidAuthorisation, UnmeteredAuthorisation
from tests.fakes.charging import (
    DECK,
    RECEPTION,
    UK_PLAN,
    FixedOffices,
    deck_row,
    eur,
    gbp,
    office_on,
    rate,
    request,
)
from tests.fakes.clock import START, ManualClock
from tests.fakes.ledger import MemoryLedger

FRANCE_PLAN = replace(
    UK_PLAN,
    name="france",
    title="France",
    country="FR",
    currency="EUR",
    language="fr",
    timezone=ZoneInfo("Europe/Paris"),
    inclusions=(
        Inclusion(
            countries=frozenset({"FR"}), kinds=frozenset({LineKind.LANDLINE, LineKind.MOBILE})
        ),
    ),
    access_per_minute=eur("0"),
    access_connection=eur("0"),
)
FRENCH_DECK = RateDeck(
    [
        deck_row("44", "Royaume-Uni", rate("0.03", currency="EUR")),
        deck_row("447", "Royaume-Uni mobile", rate("0.30", currency="EUR")),
    ],
    currency="EUR",
)
LONDON = office_on(UK_PLAN, "london", site=Site(country="GB", outside_line_prefix="9"))
PARIS = replace(office_on(FRANCE_PLAN, "paris"), deck="international")
PHONES = (
    replace(RECEPTION, endpoint="london-1", office_id="london", name="Reception"),
    replace(RECEPTION, endpoint="paris-1", office_id="paris", name="Accueil"),
)


class TwoDecks:
    def deck(self, key: DeckKey) -> RateDeck:
        return {"GBP": DECK, "EUR international": FRENCH_DECK}[str(key)]


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def offices() -> FixedOffices:
    return FixedOffices([LONDON, PARIS], PHONES)


@pytest.fixture
def charging(ledger: MemoryLedger, offices: FixedOffices) -> Charging:
    return Charging(offices=offices, decks=TwoDecks(), ledger=ledger, clock=ManualClock())


async def fill(charging: Charging) -> None:
    await charging.top_up("london", amount=gbp("5"), key="k", actor="test", reason="")
    await charging.top_up("paris", amount=eur("7"), key="k", actor="test", reason="")


def test_two_offices_may_have_the_same_extension(offices: FixedOffices) -> None:
    both = offices.snapshot()
    assert both.extension_at("london", "1001").endpoint == "london-1"
    assert both.extension_at("paris", "1001").endpoint == "paris-1"
    assert both.office_at("paris-1") == PARIS
    assert both.extensions.keys() == {"london-1", "paris-1"}
    with pytest.raises(UnknownExtension):
        both.extension_at("paris", "1002")
    with pytest.raises(UnknownExtension):
        both.extension("1001")


@pytest.mark.parametrize(
    "phones",
    [
        [PHONES[0], replace(PHONES[1], endpoint="london-1")],
        [PHONES[0], replace(PHONES[0], endpoint="london-2")],
    ],
)
def test_an_endpoint_is_one_of_all_offices_and_a_number_one_of_its_own(phones: list) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="are both"):
        OfficesSnapshot([LONDON, PARIS], phones)


def test_no_extension_is_of_an_office_that_nobody_has() -> None:
    with pytest.raises(UnknownOffice):
        OfficesSnapshot([LONDON], PHONES)


@pytest.mark.parametrize(
    ("endpoint", "dialled", "sent"),
    [
        ("london-1", "999", "999"),
        ("london-1", "9999", "999"),
        ("london-1", "112", "112"),
        ("paris-1", "15", "15"),
        ("paris-1", "17", "17"),
        ("paris-1", "18", "18"),
        ("paris-1", "112", "112"),
        *(("a stranger", dialled, dialled) for dialled in ("999", "15", "17", "18", "112")),
        ("a stranger", "9999", "999"),
    ],
)
async def test_every_office_has_its_own_emergency_numbers_and_a_stranger_those_of_all(
    charging: Charging, endpoint: str, dialled: str, sent: str
) -> None:
    authorised = await charging.authorise(request("c1", dialled, endpoint=endpoint))
    assert authorised.category is Category.EMERGENCY
    assert authorised.number.dial_string == sent


@pytest.mark.parametrize(
    ("endpoint", "dialled"),
    [
        ("london-1", "15"),
        ("london-1", "17"),
        ("london-1", "18"),
        ("paris-1", "999"),
        ("paris-1", "9112"),  # nobody dials 9 for a line there
        ("paris-1", "9" + "0142685300"),
    ],
)
async def test_the_other_offices_numbers_and_prefix_mean_nothing(
    charging: Charging, endpoint: str, dialled: str
) -> None:
    with pytest.raises(InvalidNumber):
        await charging.authorise(request("c1", dialled, endpoint=endpoint))


@pytest.mark.parametrize(
    ("endpoint", "dialled", "language", "reason"),
    [
        ("london-1", "9" + "02079460000", "en", "UK plan includes landlines in GB"),
        ("london-1", "02079460000", "en", "UK plan includes landlines in GB"),
        ("paris-1", "0142685300", "fr", "France plan includes landlines in FR"),
    ],
)
async def test_every_office_has_its_own_plan_and_language(
    charging: Charging, endpoint: str, dialled: str, language: str, reason: str
) -> None:
    authorised = await charging.authorise(request("c1", dialled, endpoint=endpoint))
    assert isinstance(authorised, UnmeteredAuthorisation)
    assert (authorised.language, authorised.reason) == (language, reason)


async def test_every_office_pays_in_its_own_currency_by_its_own_deck(charging: Charging) -> None:
    await fill(charging)
    london = await charging.authorise(request("c1", "90033612345678", endpoint="london-1"))
    paris = await charging.authorise(request("c2", "00447400123456", endpoint="paris-1"))
    assert isinstance(london, PaidAuthorisation)
    assert isinstance(paris, PaidAuthorisation)
    assert (london.reserved, london.balance) == (gbp("0.10"), gbp("5"))
    assert (paris.reserved, paris.balance) == (eur("0.30"), eur("7"))
    assert (await charging.balance("london")).available == gbp("4.90")
    assert (await charging.balance("paris")).available == eur("6.70")


async def test_an_offices_money_is_of_no_use_to_the_other(charging: Charging) -> None:
    await charging.top_up("london", amount=gbp("5"), key="k", actor="test", reason="")
    with pytest.raises(InsufficientBalance):
        await charging.authorise(request("c1", "00447400123456", endpoint="paris-1"))


async def test_a_call_is_of_the_day_that_it_is_in_its_office(
    ledger: MemoryLedger, offices: FixedOffices
) -> None:
    offices.current = OfficesSnapshot(
        [replace(LONDON, time_zone=ZoneInfo("Asia/Tokyo")), PARIS], PHONES
    )
    clock = ManualClock()
    charging = Charging(offices=offices, decks=TwoDecks(), ledger=ledger, clock=clock)
    await fill(charging)
    clock.set(START.replace(hour=20))
    for call_id, endpoint in (("c1", "london-1"), ("c2", "paris-1")):
        dialled = "0033612345678" if endpoint == "london-1" else "00447400123456"
        await charging.authorise(request(call_id, dialled, endpoint=endpoint))
    of_tokyo, of_paris = await charging.open_calls("pbx")
    assert of_paris.spending_day == START.date().isoformat()
    assert of_tokyo.spending_day > of_paris.spending_day


async def test_a_removed_office_s_live_call_keeps_its_price_and_is_settled(
    charging: Charging, offices: FixedOffices
) -> None:
    await fill(charging)
    paid = await charging.authorise(request("c1", "00447400123456", endpoint="paris-1"))
    assert isinstance(paid, PaidAuthorisation)
    await charging.answered("c1", leg="o1", answered_at=START)
    offices.current = OfficesSnapshot([LONDON], PHONES[:1])
    assert (await charging.reserve("c1", interval=1)).amount == eur("0.30")
    assert (await charging.debit("c1", interval=1)).amount == eur("0.30")
    left = await charging.balance_of_call("paris", paid.rate)
    assert left.available == eur("6.40")
    settled = await charging.settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
    assert settled.charged == eur("0.60")
    with pytest.raises(UnknownExtension):
        await charging.authorise(request("c2", "00447400123456", endpoint="paris-1"))
    with pytest.raises(UnknownOffice):
        await charging.balance("paris")


async def test_a_live_call_keeps_its_price_when_its_offices_plan_and_currency_change(
    charging: Charging, offices: FixedOffices
) -> None:
    await fill(charging)
    await charging.authorise(request("c1", "00447400123456", endpoint="paris-1"))
    await charging.answered("c1", leg="o1", answered_at=START)
    offices.current = OfficesSnapshot([LONDON, office_on(UK_PLAN, "paris")], PHONES)
    assert (await charging.reserve("c1", interval=1)).amount == eur("0.30")
    settled = await charging.settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
    assert settled.charged == eur("0.60")


@pytest.mark.parametrize(
    ("chosen", "own", "endpoint", "asterisk", "spoken"),
    [
        ("fr", "en", "london-1", "en", "fr"),  # chosen at the phone
        (None, "fr", "london-1", "en", "fr"),  # the extension's
        (None, None, "london-1", "fr", "en"),  # the office's
        (None, None, "paris-1", "en", "fr"),
        ("de", None, "paris-1", "en", "fr"),  # what nobody can speak is not chosen
        ("en", None, "a stranger", "fr", "en"),
        (None, None, "a stranger", "fr", "fr"),
        (None, None, "a stranger", "de", "en"),
    ],
)
def test_one_rule_decides_what_a_caller_hears(
    chosen: str | None, own: str | None, endpoint: str, asterisk: str, spoken: str
) -> None:
    phones = [replace(phone, language=own) for phone in PHONES]
    both = OfficesSnapshot([LONDON, PARIS], phones)
    assert both.language_for(endpoint, chosen=chosen, asterisk=asterisk) == spoken


async def test_a_call_is_decided_by_one_snapshot(ledger: MemoryLedger, charging: Charging) -> None:
    await fill(charging)
    asked = 0

    class Changing(FixedOffices):
        def snapshot(self) -> OfficesSnapshot:
            nonlocal asked
            asked += 1
            return super().snapshot()

    changing = Changing([LONDON, PARIS], PHONES)
    charging = Charging(offices=changing, decks=TwoDecks(), ledger=ledger, clock=ManualClock())
    await charging.authorise(request("c1", "00447400123456", endpoint="paris-1"))
    assert asked == 1
