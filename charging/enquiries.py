"""What somebody at a desk phone may ask about money. Reads, and can move nothing."""

from dataclasses import dataclass

from charging.extensions import Extension
from charging.language import language_of
from charging.money import Money
from charging.numbering import parse_number
from charging.ports import AccountReader, Clock, Extensions, Plans, RateDecks, Sites
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

    def __init__(  # noqa: PLR0913 - its ports, and nothing else
        self,
        *,
        sites: Sites,
        extensions: Extensions,
        plans: Plans,
        decks: RateDecks,
        accounts: AccountReader,
        clock: Clock,
    ) -> None:
        self._sites = sites
        self._extensions = extensions
        self._plans = plans
        self._decks = decks
        self._accounts = accounts
        self._clock = clock

    def language_of(self, endpoint: str) -> str:
        """The phone's own language, or else its plan's."""
        extension = self._extensions.find(endpoint)
        return language_of(extension, self._plans.plan_of(extension.office_id))

    async def balance_of(self, endpoint: str) -> Money:
        """What can be spent: without what calls under way have reserved."""
        return await self._available(self._extensions.find(endpoint))

    async def price_of(self, endpoint: str, dialled: str) -> PriceTold:
        """What this phone would pay for a number that it may call.

        Raises:
            Refusal: why the call would not be placed, lack of money and spending limits aside.
        """
        extension = self._extensions.find(endpoint)
        plan = self._plans.plan_of(extension.office_id)
        quotation = quote(
            parse_number(dialled, self._sites.site_of(extension.office_id)),
            plan=plan,
            deck=lambda: self._decks.deck_of(extension.office_id, plan.currency),
            at=self._clock.now(),
        )
        require_allowed(extension, quotation, plan)
        if quotation.rate is None:
            return PriceTold(quotation=quotation, affordable_s=None)
        available = await self._available(extension)
        return PriceTold(quotation=quotation, affordable_s=affordable_s(available, quotation.rate))

    async def last_call_of(self, endpoint: str) -> Money | None:
        """The price of this phone's last paid call that was answered and is over; None: none."""
        extension = self._extensions.find(endpoint)
        call = await self._accounts.last_call(extension.office_id, endpoint)
        return None if call is None else call.debited

    async def _available(self, extension: Extension) -> Money:
        currency = self._plans.plan_of(extension.office_id).currency
        balances = await self._accounts.balances(extension.office_id, currency)
        return balances.available
