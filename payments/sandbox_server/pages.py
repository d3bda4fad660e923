"""The sandbox's pages: entering a test card, answering the bank, and what was charged."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from babel.dates import format_datetime
from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from payments.minor_units import money_of
from payments.sandbox_server.api import BODY_MAX, Api
from payments.sandbox_server.cards import CARDS, card_of
from payments.sandbox_server.languages import Words, words_in
from payments.sandbox_server.processor import ProblemError
from payments.sandbox_server.store import Object

FOLDER: Final = Path(__file__).parent / "templates"
SHOWN: Final = 100
_PROBLEMS: Final = {"incorrect_number": "not_a_test_card", "form_closed": "closed"}
_EXPIRY: Final = re.compile(r"(0?[1-9]|1[0-2])\s*/\s*(?:20)?([0-9]{2})", re.ASCII)
_CODE: Final = re.compile(r"[0-9]{3,4}", re.ASCII)
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self';"
    " form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class FormProblemError(Exception):
    """What was typed is no card; the argument is a key of words.py."""


class Pages:
    def __init__(self, api: Api, *, now: Callable[[], float]) -> None:
        self._api = api
        self._now = now
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined
        )

    def routes(self) -> list[Route]:
        return [
            Route("/", self.home),
            Route("/style.css", self.style),
            Route("/card/{id}", self.card, methods=["GET", "POST"]),
            Route("/authenticate/{id}", self.bank, methods=["GET", "POST"]),
        ]

    async def style(self, request: Request) -> Response:
        del request
        text = (FOLDER / "style.css").read_text(encoding="utf-8")
        return Response(text, media_type="text/css")

    async def home(self, request: Request) -> Response:
        words = words_in(request.headers.get("accept-language", "en"))
        rows = [self._row(each, words) for each in reversed(self._api.store.logged()[-SHOWN:])]
        return self._page("home.html", words, rows=rows, cards=_cards(words))

    def _row(self, logged: Object, words: Words) -> Mapping[str, str]:
        return {
            "when": format_datetime(_datetime(logged["at"]), "short", locale=words["locale"]),
            "what": words[logged["what"]],
            "payment": logged["payment"],
            "amount": _amount(logged["amount"], logged["currency"], words),
        }

    # --- entering a card -------------------------------------------------------------------------

    async def card(self, request: Request) -> Response:
        form = self._found("checkout.session", request)
        words = words_in("en" if form is None else form["locale"])
        if form is None or form["status"] != "open":
            return self._page(
                "closed.html", words, status=410, title=words["closed_title"], text=words["closed"]
            )
        if request.method == "GET":
            number = _grouped(request.query_params.get("number", ""))
            return self._card_page(form, words, {"number": number}, problem="")
        typed = await _typed(request)
        try:
            done = self._saved(form, typed)
        except FormProblemError as problem:
            kept = {name: typed[name] for name in ("expiry", "code")}
            return self._card_page(form, words, kept, problem=words[str(problem)])
        self._api.changed.set()
        url = done["success_url"].replace("{CHECKOUT_SESSION_ID}", done["id"])
        return RedirectResponse(url, 303)

    def _saved(self, form: Object, typed: Mapping[str, str]) -> Object:
        number = re.sub(r"[ -]", "", typed["number"])
        expiry = _EXPIRY.fullmatch(typed["expiry"].strip())
        today = _datetime(self._now())
        if expiry is None or (2000 + int(expiry[2]), int(expiry[1])) < (today.year, today.month):
            raise FormProblemError("bad_expiry")
        if not _CODE.fullmatch(typed["code"].strip()):
            raise FormProblemError("bad_code")
        try:
            with self._api.store.transaction():
                return self._api.processor.save_card(
                    form["id"], number, (int(expiry[1]), 2000 + int(expiry[2]))
                )
        except ProblemError as problem:
            code = problem.answer.body["error"]["code"]
            raise FormProblemError(_PROBLEMS.get(code, "declined")) from None

    def _card_page(
        self, form: Object, words: Words, typed: Mapping[str, str], *, problem: str
    ) -> Response:
        """What was typed stays, except for a number that may be a real card's."""
        fields = {"number": "", "expiry": "12/34", "code": "123", **typed}
        return self._page(
            "card.html",
            words,
            status=422 if problem else 200,
            problem=problem,
            typed=fields,
            cards=_cards(words),
            cancel_url=form["cancel_url"],
        )

    # --- answering the bank ----------------------------------------------------------------------

    async def bank(self, request: Request) -> Response:
        intent = self._found("payment_intent", request)
        words = words_in(request.headers.get("accept-language", "en"))
        if intent is None or not intent["_return_url"]:
            return self._page(
                "closed.html",
                words,
                status=404,
                title=words["closed_title"],
                text=words["bank_done"],
            )
        if request.method == "GET" and intent["status"] == "requires_action":
            return self._bank_page(intent, words)
        if request.method == "POST":
            typed = await _typed(request)
            with self._api.store.transaction():
                self._api.processor.authenticated(intent["id"], convinced=typed["answer"] == "yes")
            self._api.changed.set()
        return RedirectResponse(intent["_return_url"], 303)

    def _bank_page(self, intent: Object, words: Words) -> Response:
        method = self._api.processor.find("payment_method", intent["payment_method"])
        lead = words["bank_lead"].format(
            amount=_amount(intent["amount"], intent["currency"], words),
            last_four=method["card"]["last4"],
        )
        return self._page("bank.html", words, lead=lead)

    def _found(self, kind: str, request: Request) -> Object | None:
        return self._api.store.find(kind, request.path_params["id"])

    def _page(self, name: str, words: Words, *, status: int = 200, **shown: Any) -> Response:
        text = self._templates.get_template(name).render(words=words, **shown)
        return HTMLResponse(text, status, _HEADERS)


def _cards(words: Words) -> list[Mapping[str, str]]:
    return [
        {
            "number": card.number,
            "shown": _grouped(card.number),
            "brand": card.brand.capitalize(),
            "does": words[card.name],
        }
        for card in CARDS
    ]


def _grouped(number: str) -> str:
    """As it stands on a card; nothing of what is no card of ours."""
    return " ".join(re.findall("....", number)) if card_of(number) else ""


def _amount(minor: int, currency: str, words: Words) -> str:
    money = money_of(minor, currency)
    number = str(money).partition(" ")[0]
    return format_currency(number, money.currency, locale=words["locale"])


async def _typed(request: Request) -> Mapping[str, str]:
    """The fields of a form, each a text; those that are not there are empty."""
    body = (await request.body())[:BODY_MAX].decode("utf-8", "replace")
    told = {name: values[-1] for name, values in parse_qs(body, max_num_fields=20).items()}
    return {"number": "", "expiry": "", "code": "", "answer": "", **told}


def _datetime(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
