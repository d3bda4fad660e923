"""Offices that differ in all that may differ, and are sound: nothing is to be said of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from admin.checks.findings import Status
from charging.money import Money
from dialplan.phones import load_phones
from lab.admins_office import admins_office
from lab.exit_office import exit_office
from lab.freepbx import freepbx_office
from lab.paid_office import PaidOffice, Sections, make_paid_office
from lab.postgresql import running_server
from plans.files import SAMPLE_DECKS
from telephony.tools import Telephony
from tests.live.injected import PHONES as PHONES_FILE
from tests.live.injected import Said, call_for_help

REPOSITORY = Path(__file__).parents[2]
PHONES = (REPOSITORY / "dialplan" / "phones.toml").read_text(encoding="utf-8")
# FreePBX dials a phone by whatever it has registered, and nobody may edit that: docs/freepbx.md.
OF_FREEPBX = (
    Said("contacts", Status.PROBLEM, "is dialled as it is in [macro-dial-one] s", "Gosub"),
)
# Neither money nor mail of the demonstration is real, and it is not one of the sound offices.
OF_THE_DEMONSTRATION = (
    Said("money in", Status.PROBLEM, "notices are not sent: nobody sends them", "[notices]"),
    Said("money in", Status.WARNING, "cards are charged by the sandbox", "docs/payments.md"),
    Said("portal", Status.WARNING, "the portal mails no link", "[notices] smtp_host"),
)
OPENING_MICROS = 20_000_000
TRUNKS: Sections = {"trunks.backup": {}}
OF_TWO_OFFICES = """
[phones.1001]
office = "london"
[phones.1002]
office = "london"
[phones.lyon-1001]
extension = "1001"
office = "lyon"
"""
TWO_OFFICES: Sections = {"offices": {"london": {"plan": "uk"}, "lyon": {"plan": "france"}}}
NO_CODES = dict.fromkeys(("balance", "price", "last_call", "language"), "")
Arrange = Callable[[PaidOffice], AbstractAsyncContextManager[object]]


def as_rendered(_paid: PaidOffice) -> AbstractAsyncContextManager[object]:
    """The dialplan that Tollgate writes for an Asterisk of its own."""
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One office, by what is not as in any other."""

    arranged: Arrange = as_rendered
    sections: Sections = field(default_factory=dict)
    decks: tuple[str, ...] = ("gbp",)
    phones: str = PHONES
    postgresql: bool = False
    feature_codes: bool = True
    says: tuple[Said, ...] = ()  # what is true of it, and its admin has to know

    @asynccontextmanager
    async def running(self, telephony: Telephony, folder: Path) -> AsyncIterator[PaidOffice]:
        if not self.postgresql:
            async with self._running(telephony, folder, {}) as paid:
                yield paid
            return
        with running_server(durable=False) as server:
            database: Sections = {"database": {"url": server.url()}}
            async with self._running(telephony, folder, database) as paid:
                yield paid

    @asynccontextmanager
    async def _running(
        self, telephony: Telephony, folder: Path, more: Sections
    ) -> AsyncIterator[PaidOffice]:
        paid = paid_office(
            telephony,
            folder / "office",
            decks=self.decks,
            phones=self.phones,
            sections={**self.sections, **more},
        )
        async with paid, self.arranged(paid):
            for office_id, currency in zip(paid.settings.offices, self.decks, strict=False):
                if office_id != "main":
                    await paid.top_up(Money(OPENING_MICROS, currency.upper()), office_id)
            if self.feature_codes:
                await paid.feature_codes.start()
            try:
                await call_for_help(paid)
                yield paid
            finally:
                if self.feature_codes:
                    await paid.feature_codes.stop()


def paid_office(
    telephony: Telephony,
    folder: Path,
    *,
    decks: tuple[str, ...],
    phones: str = PHONES,
    sections: Sections,
) -> PaidOffice:
    """With the sample decks of these currencies, and money in the first."""
    folder.mkdir()
    phones_file = folder / PHONES_FILE
    phones_file.write_text(phones, encoding="utf-8")
    texts = {
        each.upper(): (SAMPLE_DECKS / f"sample-{each}.csv").read_text(encoding="utf-8")
        for each in decks
    }
    (currency, deck), *others = texts.items()
    several = len(others) > 0
    return make_paid_office(
        telephony,
        folder,
        deck=deck,
        currency=currency,
        other_decks=dict(others),
        opening=None if several else Money(OPENING_MICROS, currency),
        settings={**sections, "site": {**sections.get("site", {}), "phones_file": PHONES_FILE}},
        phones=load_phones(phones_file) if several else None,
    )


SOUND = {
    "as rendered, on the UK plan": Sound(),
    "as rendered, on PostgreSQL": Sound(postgresql=True),
    "on the plan of the UK and Europe": Sound(
        sections={"offices": {"main": {"plan": "uk-europe"}}}
    ),
    "on the plan of the UK and Europe, on PostgreSQL": Sound(
        sections={"offices": {"main": {"plan": "uk-europe"}}}, postgresql=True
    ),
    "an office in France": Sound(
        sections={"offices": {"main": {"plan": "france"}}}, decks=("eur",)
    ),
    "an office in France, on PostgreSQL": Sound(
        sections={"offices": {"main": {"plan": "france"}}}, decks=("eur",), postgresql=True
    ),
    "two offices in two countries": Sound(
        sections=TWO_OFFICES, decks=("gbp", "eur"), phones=OF_TWO_OFFICES
    ),
    "two offices in two countries, on PostgreSQL": Sound(
        sections=TWO_OFFICES, decks=("gbp", "eur"), phones=OF_TWO_OFFICES, postgresql=True
    ),
    "two trunks, PostgreSQL, 9 for a line, forwarded calls": Sound(
        arranged=admins_office,
        sections={
            **TRUNKS,
            "call": {"forwarded_calls": True},
            "site": {"outside_line_prefix": "9"},
        },
        postgresql=True,
    ),
    "written by hand, 0 for a line": Sound(
        arranged=admins_office, sections={**TRUNKS, "site": {"outside_line_prefix": "0"}}
    ),
    "written by hand, the gate at the exit": Sound(arranged=exit_office, sections=TRUNKS),
    "written by hand, the gate at the exit, on PostgreSQL": Sound(
        arranged=exit_office, sections=TRUNKS, postgresql=True
    ),
    "FreePBX's shape, the gate in its hook": Sound(
        arranged=freepbx_office, sections=TRUNKS, says=OF_FREEPBX
    ),
    "FreePBX's shape, on PostgreSQL": Sound(
        arranged=freepbx_office, sections=TRUNKS, postgresql=True, says=OF_FREEPBX
    ),
    "transfers allowed, no feature codes, a carrier without sound": Sound(
        sections={
            "call": {"allow_transfer": True, "included_without_application": False},
            "agi": {"codes": NO_CODES},
            "asterisk": {"phone_rtp_timeout_s": 0},
            "trunks": {"trunk": {"rtp_timeout_s": 0, "timers": "yes"}},
        },
        feature_codes=False,
    ),
    "calls that are forwarded, as rendered": Sound(sections={"call": {"forwarded_calls": True}}),
    "included calls only while the application answers": Sound(
        sections={"call": {"included_without_application": False}}
    ),
    "feature codes of one's own": Sound(
        sections={"agi": {"codes": {**NO_CODES, "balance": "*90", "price": "*91"}}}
    ),
    "numbers whole in the log": Sound(sections={"privacy": {"mask_logs": False}}),
}
