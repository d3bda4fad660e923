"""What somebody at a desk phone may ask about money. Reads, and can move nothing."""

from dataclasses import dataclass

from charging.money import Money
from charging.offices import Office
from charging.ports import AccountReader, Clock, Offices, RateDecks
from charging.quotation import Quotation, quote, require_allowed
from charging.rates import affordable_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTold:
    """What a number costs now, and how long the money would last."""

    quotation: Quotation
    affordable_s: int | None  # None: nothing to pay, or nothing to pay by the minute


class Enquiries:
    """Answers by the rules of a real call. Whoever asks is known by the endpoint alone.

    Every method may raise UnknownExtension; those that are awaited, ChargingUnavailable.
    """

    def __init__(
        self, *, offices: Offices, decks: RateDecks, accounts: AccountReader, clock: Clock
    ) -> None:
        self._offices = offices
        self._decks = decks
        self._accounts = accounts
        self._clock = clock

    def language_of(self, endpoint: str, *, chosen: str, asterisk: str) -> str:
        """What the caller hears: OfficesSnapshot.language_for. Raises nothing."""
        return self._offices.snapshot().language_for(endpoint, chosen=chosen, asterisk=asterisk)

    def require_known(self, endpoint: str) -> None:
        """Refuse a phone that nobody knows."""
        self._offices.snapshot().extension(endpoint)

    async def balance_of(self, endpoint: str) -> Money:
        """What can be spent: without what calls under way have reserved."""
        return await self._available(self._offices.snapshot().office_at(endpoint))

    async def price_of(self, endpoint: str, dialled: str) -> PriceTold:
        """What this phone would pay for a number that it may call.

        Raises:
            Refusal: why the call would not be placed, lack of money and spending limits aside.
        """
        offices = self._offices.snapshot()
        extension, office = offices.extension(endpoint), offices.office_at(endpoint)
        quotation = quote(
            office.parse(dialled),
            plan=office.plan,
            deck=lambda: self._decks.deck(office.deck_key),
            on=office.day_of(self._clock.now()),
        )
        require_allowed(extension, quotation, office.plan)
        if quotation.rate is None:
            return PriceTold(quotation=quotation, affordable_s=None)
        available = await self._available(office)
        return PriceTold(quotation=quotation, affordable_s=affordable_s(available, quotation.rate))

    async def last_call_of(self, endpoint: str) -> Money | None:
        """The price of this phone's last paid call that was answered and is over; None: none."""
        office = self._offices.snapshot().office_at(endpoint)
        call = await self._accounts.last_call(office.id, endpoint)
        return None if call is None else call.debited

    async def _available(self, office: Office) -> Money:
        balances = await self._accounts.balances(office.id, office.currency)
        return balances.available
