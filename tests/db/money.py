"""An office whose money in is tested: on a real database, with no processor but the test itself."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import Engine, select

from charging.card_commands import ReplaceCard
from charging.card_processor import CardOnFile
from charging.commands import TopUp
from charging.entries import (
    EntryKind,
    FundingSource,
    LedgerEntry,
    Posting,
    available,
    funding,
)
from charging.entry_keys import payment_key
from charging.ledger import Decision, LedgerCommand, LedgerSnapshot
from charging.money import Money
from charging.money_in import MoneyIn
from charging.money_state import Payment, StoredCard
from charging.notices import NoticeKind
from charging.orders import TopUpOrder, offer_of, refill_rule
from charging.payment_commands import Recorded, RecordFact, StartWork, Work
from charging.receipts import Party, Receipt, ReceiptKind, ReceiptTerms, VatAt
from charging.refill import Event, PaymentKind
from charging.refill_commands import LookAgain
from charging.refill_rules import Policy
from db.engine import open_engine
from db.history import last_entries
from db.ledger import SqlLedger, read_from
from db.models import balances
from db.money_reads import SqlMoney, due_payments, due_policies, last_receipts
from db.money_tables import notices
from db.people_tables import audit_trail
from tests.fakes.charging import gbp
from tests.fakes.clock import ManualClock

WORDS = "The card is charged 10.00 GBP whenever the balance is below 5.00 GBP"
SELLER_TERMS = ReceiptTerms(
    seller=Party(name="Tollgate Ltd", vat_number="GB123456789"),
    vat_at=VatAt.TOP_UP,
    vat_basis_points=2000,
)
_numbers = itertools.count()


class Spend(LedgerCommand[None]):
    """Money that leaves the account, as customer care deducts it."""

    def __init__(self, office_id: str, amount: Money | None, *, key: str, at: datetime) -> None:
        self.office_id = office_id
        self.at = at
        self._amount = amount
        self._key = key

    def decide(self, snapshot: LedgerSnapshot) -> Decision[None]:
        office_id = str(self.office_id)
        account = available(office_id)
        amount = self._amount or snapshot.balance(account, "GBP")
        if not amount or self.at is None:
            return Decision(result=None)
        posting = Posting(source=account, target=funding(FundingSource.ADJUSTMENT), amount=amount)
        entry = LedgerEntry(
            key=payment_key(EntryKind.DEDUCT, office_id, self._key),
            kind=EntryKind.DEDUCT,
            office_id=office_id,
            actor="test",
            postings=(posting,),
            at=self.at,
        )
        return Decision(result=None, entries=(entry,))


class Office:
    def __init__(self, ledger: SqlLedger, engine: Engine, clock: ManualClock) -> None:
        self.ledger = ledger
        self.engine = engine
        self.clock = clock
        self.terms: ReceiptTerms | None = SELLER_TERMS
        self.money_in = MoneyIn(
            ledger=ledger,
            reader=SqlMoney(ledger),
            clock=clock,
            offer_of=lambda _office_id: offer_of("GBP"),
            new_id=lambda: f"p{next(_numbers)}",
            terms_of=lambda _office_id: self.terms,
        )

    @asynccontextmanager
    async def others(self, url: str, count: int) -> AsyncIterator[Sequence["Office"]]:
        """The same office in other processes."""
        engines = [open_engine(url) for _ in range(count)]
        ledgers = [SqlLedger(engine) for engine in engines]
        yield [
            Office(ledger, engine, self.clock)
            for ledger, engine in zip(ledgers, engines, strict=True)
        ]
        for ledger in ledgers:
            await ledger.close()

    # --- what happens --------------------------------------------------------------------

    async def fill(self, amount: str, *, key: str = "cash", office_id: str = "main") -> None:
        await self.ledger.carry_out(
            TopUp(
                office_id=office_id,
                amount=gbp(amount),
                key=key,
                actor="test",
                reason="",
                at=self.clock.now(),
            )
        )

    async def spend(self, amount: str, *, key: str = "spent", office_id: str = "main") -> None:
        await self.ledger.carry_out(Spend(office_id, gbp(amount), key=key, at=self.clock.now()))

    async def spend_all(self, *, key: str) -> None:
        await self.ledger.carry_out(Spend("main", None, key=key, at=self.clock.now()))

    async def save_card(
        self, office_id: str = "main", *, method_id: str = "pm", last_four: str = "4242"
    ) -> None:
        card = CardOnFile(
            customer_id=f"cus-{office_id}",
            method_id=method_id,
            brand="visa",
            last_four=last_four,
            expiry_month=12,
            expiry_year=2030,
        )
        now = self.clock.now()
        stored = StoredCard(
            office_id=office_id, processor="sandbox", card=card, added_by="user:anna", added_at=now
        )
        await self.ledger.carry_out(ReplaceCard(card=stored, at=now))

    async def arm(self, amount: str, threshold: str, *, office_id: str = "main") -> None:
        await self.money_in.set_refill(
            office_id,
            refill_rule(amount=gbp(amount), threshold=gbp(threshold)),
            by="user:anna",
            words=WORDS,
        )

    async def buy(
        self,
        amount: str,
        *,
        key: str = "form",
        confirmed: bool = False,
        office_id: str = "main",
    ) -> Payment:
        order = TopUpOrder(amount=gbp(amount), confirmed=confirmed, return_url="https://portal")
        return await self.money_in.begin_top_up(office_id, order, by="user:anna", key=key)

    async def bought(self, amount: str, *, key: str = "form") -> Payment:
        """Bought, charged and credited."""
        from charging.card_processor import Succeeded  # noqa: PLC0415 - beside its only use

        await self.save_card()
        payment = await self.buy(amount, key=key)
        await self.work()
        succeeded = Succeeded(
            intent_id=f"intent-of-{payment.payment_id}",
            payment_id=payment.payment_id,
            office_id=payment.office_id,
            amount=payment.amount,
        )
        return (await self.tell(payment, succeeded)).payment

    async def refill_is_sent(self) -> None:
        """The processor was asked."""
        await self.refill_is_due()
        await self.work()
        self.clock.advance(61)

    async def refill_is_due(self) -> None:
        """10 below 5, of which the balance has 4."""
        await self.fill("6", key="before")
        await self.save_card()
        await self.arm("10", "5")
        await self.spend("2", key="before")
        if await self.available() != gbp("4"):
            await self.spend("0.05", key="cents")

    async def cancel(self, payment: Payment) -> Payment:
        return await self.money_in.cancel_top_up(
            "main", payment.payment_id, by="cli:care", reason="by mistake"
        )

    async def tell(self, payment: Payment, fact: Event, *, at: datetime | None = None) -> Recorded:
        return await self.ledger.carry_out(
            RecordFact(
                office_id=payment.office_id,
                payment_id=payment.payment_id,
                fact=fact,
                at=at or self.clock.now(),
                terms=self.terms,
            )
        )

    async def work(self) -> list[Work]:
        """What a worker would now ask the processor."""
        now = self.clock.now()
        found = []
        for payment in read_from(self.engine, lambda reader: due_payments(reader, now, 100)):
            work = await self.ledger.carry_out(
                StartWork(
                    office_id=payment.office_id,
                    payment_id=payment.payment_id,
                    at=now,
                    terms=self.terms,
                )
            )
            found += [work] if work.request is not None else []
        return found

    async def work_after(self, *, seconds: int) -> list[Work]:
        self.clock.advance(seconds)
        return await self.work()

    async def look_again(self) -> None:
        now = self.clock.now()
        for office_id in read_from(self.engine, lambda reader: due_policies(reader, now, 100)):
            await self.ledger.carry_out(LookAgain(office_id=office_id, at=now))

    # --- what is there -------------------------------------------------------------------

    async def available(self) -> Money:
        return (await self.ledger.balances("main", "GBP")).available

    async def payment(self, payment: Payment) -> Payment:
        return await self.money_in.payment(payment.office_id, payment.payment_id)

    async def policy(self) -> Policy:
        return (await self.money_in.status("main")).policy

    async def refills(self, office_id: str = "main") -> list[Payment]:
        """The oldest first."""
        found = await self.money_in.payments(office_id, limit=1000)
        return [each for each in reversed(found) if each.attempt.kind is PaymentKind.REFILL]

    def kinds(self) -> list[EntryKind]:
        entries = read_from(
            self.engine, lambda reader: last_entries(reader, office_id="main", limit=1000)
        )
        return [posted.entry.kind for posted in entries]

    def mails(self) -> list[NoticeKind]:
        """Beside receipts and the like, which every payment brings."""
        query = select(notices.c.kind).order_by(notices.c.id)
        usual = {NoticeKind.RECEIPT, NoticeKind.REFILL_DONE}
        with self.engine.connect() as reader:
            kinds = [NoticeKind(kind) for kind in reader.scalars(query)]
        return [kind for kind in kinds if kind not in usual]

    def owed(self) -> int:
        query = select(balances.c.micros).where(balances.c.account == "owed")
        with self.engine.connect() as reader:
            return reader.scalar(query) or 0

    def receipt(self, payment: Payment, kind: ReceiptKind = ReceiptKind.RECEIPT) -> Receipt:
        of_kind = (payment.payment_id, kind)
        (found,) = [each for each in self.papers() if (each.payment_id, each.kind) == of_kind]
        return found

    def papers(self) -> list[Receipt]:
        """Receipts and notes, as they were issued."""
        newest_first = read_from(self.engine, lambda reader: last_receipts(reader, "main", 1000))
        return [*newest_first][::-1]

    def changes(self) -> list[tuple[str, str, str]]:
        trail = audit_trail.c
        query = select(trail.action, trail.actor, trail.reason).order_by(trail.id)
        with self.engine.connect() as reader:
            return [(row.action, row.actor, row.reason) for row in reader.execute(query)]
