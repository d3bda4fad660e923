"""The sandbox as a server that answers badly on purpose, and loses nothing when it is killed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from charging.card_processor import (
    CardForm,
    CardSaved,
    Changed,
    ChargeRequest,
    DisputeClosed,
    DisputeOpened,
    Invalid,
    Pending,
    Succeeded,
    Unknown,
)
from lab.sandbox import Sandbox
from payments import sandbox
from payments.addresses import sandbox_url
from payments.sandbox_server.cards import CARDS
from payments.stripe import StripeProcessor
from tests.payments.persons import around_now, card_of, charge_of, query_of, save_card
from tests.payments.servers import running

NUMBERS = {card.name: card.number for card in CARDS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox.in_folder(tmp_path_factory.mktemp("sandbox"))
    with running(made):
        yield made


@pytest.fixture
async def processor(server: Sandbox) -> AsyncIterator[StripeProcessor]:
    async with sandbox.connected(server.payments) as connected:
        await server.order("choose", pace="1", webhooks="sent")
        yield connected
        await server.order("no-faults")


@contextlib.asynccontextmanager
async def impatient(server: Sandbox) -> AsyncIterator[StripeProcessor]:
    payments = server.payments.model_copy(update={"request_timeout_s": 0.5})
    async with sandbox.connected(payments) as connected:
        yield connected


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "charged"), [("error", 0), ("error_after", 1)])
async def test_a_500_is_replayed_by_its_key_and_is_no_decline(
    server: Sandbox, processor: StripeProcessor, kind: str, charged: int
) -> None:
    request = charge_of(await card_of(processor))
    await server.order("fault", kind=kind, path="/v1/payment_intents")
    for _ in range(3):
        assert await processor.charge(request) == Unknown("HTTP 500")
    assert await server.charges_of(request.payment_id) == charged


@pytest.mark.parametrize("kind", ["unavailable", "too_many"])
async def test_what_no_key_remembers_is_charged_when_it_is_sent_again(
    server: Sandbox, processor: StripeProcessor, kind: str
) -> None:
    request = charge_of(await card_of(processor))
    await server.order("fault", kind=kind, path="/v1/payment_intents", times=2)
    assert isinstance(await processor.charge(request), Unknown)
    await server.order("no-faults")
    assert isinstance(await processor.charge(request), Succeeded)
    assert await server.charges_of(request.payment_id) == 1


@pytest.mark.parametrize(
    ("kind", "charged"), [("stall", 0), ("stall_after", 1), ("cut", 0), ("cut_after", 1)]
)
async def test_a_lost_reply_is_unknown_until_it_is_asked_again_under_the_same_key(
    server: Sandbox, processor: StripeProcessor, kind: str, charged: int
) -> None:
    request = charge_of(await card_of(processor))
    await server.order("fault", kind=kind, path="/v1/payment_intents", times=1)
    async with impatient(server) as hasty:
        assert isinstance(await hasty.charge(request), Unknown)
    assert await server.charges_of(request.payment_id) == charged
    paid = await processor.charge(request)
    assert isinstance(paid, Succeeded)
    assert await server.charges_of(request.payment_id) == 1
    assert await processor.find_payment(query_of(request)) == paid


async def test_a_card_that_never_answers_is_charged_and_found(
    server: Sandbox, processor: StripeProcessor
) -> None:
    request = charge_of(await card_of(processor, NUMBERS["never_answers"]))
    async with impatient(server) as hasty:
        assert isinstance(await hasty.charge(request), Unknown)
        assert isinstance(await hasty.charge(request), Unknown)
    found = await processor.find_payment(query_of(request))
    assert isinstance(found, Succeeded)
    assert await server.charges_of(request.payment_id) == 1


async def test_a_success_after_30_s_is_one_charge_whoever_waited(
    server: Sandbox, processor: StripeProcessor
) -> None:
    """The sandbox's 30 s are made 3: longer than who asks first, shorter than who asks again."""
    await server.order("choose", pace="0.1")
    request = charge_of(await card_of(processor, NUMBERS["answers_late"]))
    async with impatient(server) as hasty:
        assert await hasty.charge(request) == Unknown("TimeoutError")
        assert isinstance(await hasty.charge(request), Unknown)  # 409: it is being worked on
    found = await processor.find_payment(query_of(request))
    assert isinstance(found, Pending)
    await server.order("hasten")
    paid = await processor.find_intent(found.intent_id)
    assert isinstance(paid, Succeeded)
    assert await server.charges_of(request.payment_id) == 1


async def test_a_request_that_makes_no_sense_is_not_remembered(
    processor: StripeProcessor,
) -> None:
    card = await card_of(processor)
    small = charge_of(card, amount="0.01")
    answer = await processor.charge(small)
    assert isinstance(answer, Invalid)
    assert answer.code == "amount_too_small"
    good = charge_of(card, key=small.key)
    assert isinstance(await processor.charge(good), Succeeded)
    nobody = charge_of(card, customer_id="cus_none")
    assert isinstance(await processor.charge(nobody), Invalid)
    tiny = charge_of(card, amount="0.001")
    assert isinstance(await processor.charge(tiny), Invalid)


async def test_a_wrong_api_key_is_our_fault(server: Sandbox, tmp_path: Path) -> None:
    other = server.payments.model_copy(update={"sandbox_folder": tmp_path})
    async with sandbox.connected(other) as stranger:
        answer = await stranger.find_intent("pi_1")
        assert isinstance(answer, Invalid)
        assert answer.code == "api_key_invalid"
    async with aiohttp.ClientSession() as browser:
        for path in ("/sandbox/log", "/v1/events"):
            async with browser.get(sandbox_url(server.payments) + path) as refused:
                assert refused.status == 401


async def test_two_payments_at_once_never_share_an_answer(
    server: Sandbox, processor: StripeProcessor
) -> None:
    card = await card_of(processor)
    requests = [charge_of(card) for _ in range(10)]
    answers = await asyncio.gather(*(processor.charge(each) for each in requests * 2))
    for request, answer in zip(requests * 2, answers, strict=True):
        assert isinstance(answer, Succeeded)
        assert answer.payment_id == request.payment_id
        assert await server.charges_of(request.payment_id) == 1


# --- what happens later --------------------------------------------------------------------------


@pytest.mark.parametrize("won", [True, False])
async def test_a_dispute_is_told_and_closed(
    server: Sandbox, processor: StripeProcessor, *, won: bool
) -> None:
    paid = await processor.charge(charge_of(await card_of(processor, NUMBERS["disputed_later"])))
    assert isinstance(paid, Succeeded)
    await server.order("hasten")
    opened = await told(processor, DisputeOpened, paid)
    assert opened.amount == paid.amount
    await server.order("close-dispute", dispute=opened.dispute_id, won=won)
    closed = await told(processor, DisputeClosed, paid)
    assert (closed.dispute_id, closed.won) == (opened.dispute_id, won)


_Told = TypeVar("_Told", DisputeOpened, DisputeClosed)


async def told(processor: StripeProcessor, kind: type[_Told], paid: Succeeded) -> _Told:
    answer = await processor.changed(**around_now())
    assert isinstance(answer, Changed)
    facts = [event.fact for event in answer.events]
    (ours,) = [each for each in set(facts) if isinstance(each, kind) and of(each) == of(paid)]
    return ours


def of(fact: DisputeOpened | DisputeClosed | Succeeded) -> str:
    return fact.intent_id


async def test_lists_longer_than_a_page_are_read_whole(
    processor: StripeProcessor,
) -> None:
    card = await card_of(processor)
    requests = [charge_of(card) for _ in range(101)]
    for some in range(0, len(requests), 20):
        await asyncio.gather(*map(processor.charge, requests[some : some + 20]))
    assert isinstance(await processor.find_payment(query_of(requests[0])), Succeeded)


# --- kill -9 -------------------------------------------------------------------------------------


async def test_a_kill_at_any_moment_loses_no_charge_and_makes_none_twice(tmp_path: Path) -> None:
    server = Sandbox.in_folder(tmp_path / "sandbox")
    requests: list[ChargeRequest] = []
    paid: dict[str, Succeeded] = {}
    undecided: list[Pending] = []
    for _ in range(2):
        with running(server) as killed:
            async with sandbox.connected(server.payments) as processor:
                if not requests:
                    card = await card_of(processor)
                    requests = [charge_of(card) for _ in range(40)]
                    later = charge_of(await card_of(processor, NUMBERS["decides_later"]))
                    answer = await processor.charge(later)
                    assert isinstance(answer, Pending)
                    undecided.append(answer)
                sent = [asyncio.ensure_future(processor.charge(each)) for each in requests]
                await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
                killed.kill()
                answers = await asyncio.gather(*sent)
        for request, answer in zip(requests, answers, strict=True):
            assert isinstance(answer, Succeeded | Unknown)
            if isinstance(answer, Succeeded):
                assert paid.setdefault(request.key, answer) == answer
    with running(server):
        async with sandbox.connected(server.payments) as processor:
            for request in requests:
                answer = await processor.charge(request)
                assert isinstance(answer, Succeeded)
                assert paid.setdefault(request.key, answer) == answer
                assert await server.charges_of(request.payment_id) == 1
            await server.order("hasten")  # what was to happen later was not forgotten either
            assert isinstance(await processor.find_intent(undecided[0].intent_id), Succeeded)


# --- its pages -----------------------------------------------------------------------------------


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def form_of(processor: StripeProcessor, language: str = "en") -> CardForm:
    form = await processor.begin_card(save_card(language=language))
    assert isinstance(form, CardForm)
    return form


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "no money is real"), ("fr", "aucun argent réel"), ("de", "no money is real")],
)
async def test_the_page_says_that_it_is_a_sandbox(
    processor: StripeProcessor, browser: aiohttp.ClientSession, language: str, words: str
) -> None:
    form = await form_of(processor, language)
    async with browser.get(form.page_url) as page:
        text = await page.text()
    assert words in text
    assert "sandbox</title>" in text
    assert 'autocomplete="off"' in text
    assert "script" not in text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"number": "4111 1111 1111 1111"}, "no test card"),
        ({"number": ""}, "no test card"),
        ({"number": NUMBERS["declines_to_be_saved"]}, "declined"),
        ({"expiry": "13/34"}, "not over"),
        ({"expiry": "01/20"}, "not over"),
        ({"expiry": "\u0660\u0661/34"}, "not over"),
        ({"code": "12"}, "three digits"),
        ({"code": "<b>"}, "three digits"),
    ],
)
async def test_what_is_no_test_card_is_refused_and_not_shown_again(
    processor: StripeProcessor,
    browser: aiohttp.ClientSession,
    typed: dict[str, str],
    said: str,
) -> None:
    form = await form_of(processor)
    fields = {"number": "4242 4242 4242 4242", "expiry": "12/34", "code": "123", **typed}
    async with browser.post(form.page_url, data=fields, allow_redirects=False) as page:
        text = await page.text()
        assert page.status == 422
    assert said in text
    assert 'role="alert"' in text
    assert "4111" not in text
    assert "<b>" not in text
    assert not isinstance(await processor.find_card(form.setup_id), CardSaved)


async def test_a_form_takes_one_card(
    processor: StripeProcessor, browser: aiohttp.ClientSession
) -> None:
    form = await form_of(processor)
    fields = {"number": "4242 4242 4242 4242", "expiry": "12/34", "code": "123"}
    sent = [browser.post(form.page_url, data=fields, allow_redirects=False) for _ in range(3)]
    answers = await asyncio.gather(*sent)
    assert sum(each.status == 303 for each in answers) == 1
    for each in answers:
        each.release()
    assert isinstance(await processor.find_card(form.setup_id), CardSaved)
    async with browser.get(form.page_url) as page:
        assert page.status == 410
    async with browser.get(f"{sandbox_url_of(form)}/card/cs_none") as page:
        assert page.status == 410


def sandbox_url_of(form: CardForm) -> str:
    return form.page_url.partition("/card/")[0]


async def test_the_first_page_lists_what_was_charged(
    server: Sandbox, processor: StripeProcessor, browser: aiohttp.ClientSession
) -> None:
    request: ChargeRequest = charge_of(await card_of(processor), amount="23.45")
    await processor.charge(request)
    for language, amount in (("en", "£23.45"), ("fr-FR,fr;q=0.9", "23,45\N{NO-BREAK SPACE}£GB")):
        headers = {"accept-language": language}
        async with browser.get(sandbox_url(server.payments) + "/", headers=headers) as page:
            text = await page.text()
        assert request.payment_id in text
        assert amount in text


async def test_a_bank_that_was_answered_asks_no_more(
    server: Sandbox, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(f"{sandbox_url(server.payments)}/authenticate/pi_none") as page:
        assert page.status == 404
