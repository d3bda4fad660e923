"""What the API says instead of an answer: one code each, and a sentence in the reader's language.

The form is that of RFC 9457. Programs rely on `code`; sentences may change.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import Response

from portal.languages import marked, preferred
from portal.pages import Pages

MEDIA_TYPE: Final = "application/problem+json"


class Known(NamedTuple):
    status: HTTPStatus
    sentence: str


PROBLEMS: Final[Mapping[str, Known]] = {
    # --- of any request ---
    "unauthorised": Known(
        HTTPStatus.UNAUTHORIZED,
        marked("Send a token that works, in a header “Authorization: Bearer …”."),
    ),
    "not_allowed": Known(
        HTTPStatus.FORBIDDEN, marked("The role of this token does not allow this.")
    ),
    "not_found": Known(HTTPStatus.NOT_FOUND, marked("There is nothing at this address.")),
    "method_not_allowed": Known(
        HTTPStatus.METHOD_NOT_ALLOWED, marked("This cannot be done at this address.")
    ),
    "invalid_request": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        marked("Something in the request is not as it should be: see “errors”."),
    ),
    "invalid_cursor": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY, marked("No page gave this place to go on from.")
    ),
    "refused": Known(HTTPStatus.FORBIDDEN, marked("Pages of other sites may not ask here.")),
    "timed_out": Known(HTTPStatus.REQUEST_TIMEOUT, marked("The request came too slowly.")),
    "too_large": Known(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, marked("The request is too large.")),
    "address_too_long": Known(HTTPStatus.REQUEST_URI_TOO_LONG, marked("The address is too long.")),
    "another_host": Known(
        HTTPStatus.MISDIRECTED_REQUEST, marked("The portal is not reached by this name.")
    ),
    "fault": Known(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        marked("Something went wrong here. The operator can read in the log what it was."),
    ),
    "unavailable": Known(
        HTTPStatus.SERVICE_UNAVAILABLE,
        marked("The database cannot be used just now. Send the same request again."),
    ),
    # --- of requests that may be sent twice ---
    "idempotency_key_missing": Known(
        HTTPStatus.BAD_REQUEST,
        marked("This request needs a header Idempotency-Key."),
    ),
    "idempotency_key_reused": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY, marked("This key came with another request before.")
    ),
    "request_in_flight": Known(
        HTTPStatus.CONFLICT, marked("This request is being carried out. Ask again in a moment.")
    ),
    # --- of what is asked for ---
    "unknown_call": Known(HTTPStatus.NOT_FOUND, marked("The office has no such call.")),
    "unknown_payment": Known(HTTPStatus.NOT_FOUND, marked("The office has no such payment.")),
    "unknown_receipt": Known(HTTPStatus.NOT_FOUND, marked("The office has no such receipt.")),
    "unknown_extension": Known(HTTPStatus.NOT_FOUND, marked("The office has no such extension.")),
    "unknown_user": Known(HTTPStatus.NOT_FOUND, marked("The office has no such user.")),
    "unknown_card_form": Known(HTTPStatus.NOT_FOUND, marked("The office has no such form.")),
    "unknown_country": Known(HTTPStatus.NOT_FOUND, marked("No country has this code.")),
    "invalid_number": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY, marked("This is not a number that can exist.")
    ),
    "invalid_amount": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY, marked("This is not an amount that can be meant.")
    ),
    "currency_mismatch": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY, marked("The account is in another currency.")
    ),
    "amount_not_offered": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        marked("The amount is none of those that can be chosen."),
    ),
    "invalid_rule": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        marked("This rule could not keep the balance above its level."),
    ),
    "invalid_text": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        marked("A text is empty, or holds a character that cannot be shown."),
    ),
    "invalid_setting": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY, marked("The setting is nothing that can be meant.")
    ),
    "invalid_mail_address": Known(
        HTTPStatus.UNPROCESSABLE_ENTITY, marked("This is not a mail address.")
    ),
    "last_manager": Known(HTTPStatus.CONFLICT, marked("An office keeps at least one manager.")),
    "of_customer_care": Known(
        HTTPStatus.CONFLICT, marked("Customer care is given access by the operator.")
    ),
    "set_by_file": Known(
        HTTPStatus.CONFLICT, marked("The administrator has fixed this setting in a file.")
    ),
    "insufficient_balance": Known(HTTPStatus.CONFLICT, marked("The balance is too low for this.")),
    "no_card": Known(HTTPStatus.CONFLICT, marked("There is no card on file.")),
    "bought_just_now": Known(
        HTTPStatus.CONFLICT,
        marked(
            "The same amount was bought within the last minute. To buy it again, send"
            " “confirmed” under another key."
        ),
    ),
    "refill_not_allowed": Known(
        HTTPStatus.CONFLICT, marked("The refill is off, or only the operator can end its pause.")
    ),
    "topup_spent": Known(HTTPStatus.CONFLICT, marked("Nothing of this payment is unspent.")),
    "not_refundable": Known(
        HTTPStatus.CONFLICT, marked("This payment cannot be sent back to the card any more.")
    ),
    "wrong_code": Known(
        HTTPStatus.CONFLICT,
        marked("This is not the code that works now. The office can make a new one."),
    ),
    "too_many_codes": Known(
        HTTPStatus.TOO_MANY_REQUESTS,
        marked("Too many codes were tried for this office. Wait a quarter of an hour."),
    ),
    "no_pdf": Known(HTTPStatus.SERVICE_UNAVAILABLE, marked("This installation cannot draw a PDF.")),
}

# What any request may meet.
EVERYWHERE: Final = (
    *("unauthorised", "not_allowed", "refused", "not_found", "method_not_allowed"),
    *("invalid_request", "timed_out", "too_large", "address_too_long", "another_host"),
    *("fault", "unavailable"),
)

# Pydantic's names of what may be wrong with a value, in words of ours; anything else is `_WRONG`.
_OF_VALUES: Final[Mapping[str, str]] = {
    "missing": marked("This is missing."),
    "extra_forbidden": marked("There is no such field."),
    "json_invalid": marked("This is not JSON."),
    "enum": marked("Choose one of the list."),
    "literal_error": marked("Choose one of the list."),
    "greater_than_equal": marked("This is too small."),
    "less_than_equal": marked("This is too large."),
    "string_too_long": marked("This is too long."),
    "string_too_short": marked("This is too short."),
}
_WRONG: Final = marked("This is not written as it should be.")


class FieldProblem(BaseModel):
    where: str = Field(description="body.amount.value, query.since, path.number")
    problem: str


class Problem(BaseModel):
    """Why a request was not carried out."""

    type: str = "about:blank"
    title: str = Field(description="What the status means, in English.")
    status: int
    code: str = Field(description="Stable: what a program looks at.")
    detail: str = Field(description="One sentence, in the language of Accept-Language.")
    errors: list[FieldProblem] = []


class ProblemError(Exception):
    """Say no by one of the codes."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def problem_text(
    pages: Pages,
    headers: Headers,
    code: str,
    found: Iterable[Mapping[str, Any]] = (),
) -> str:
    """JSON; `found` is what pydantic says of values."""
    words = pages.words_in(preferred(headers.get("accept-language", "")))
    known = PROBLEMS[code]
    errors = [
        FieldProblem(where=_place(each["loc"]), problem=words.say(_sentence(each["type"])))
        for each in found
    ]
    return Problem(
        title=known.status.phrase,
        status=known.status.value,
        code=code,
        detail=words.say(known.sentence),
        errors=errors,
    ).model_dump_json(exclude_defaults=False)


def problem_answer(
    pages: Pages,
    headers: Headers,
    code: str,
    found: Iterable[Mapping[str, Any]] = (),
) -> Response:
    answer = Response(
        problem_text(pages, headers, code, found),
        status_code=PROBLEMS[code].status,
        media_type=MEDIA_TYPE,
    )
    if code == "unauthorised":
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def _sentence(kind: str) -> str:
    return _OF_VALUES.get(kind, _WRONG)


def _place(location: Sequence[object]) -> str:
    return ".".join(str(part) for part in location)[:200]


def declared(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, as OpenAPI names them, by the codes of its problems."""
    of_status: dict[int, list[str]] = {}
    for code in (*EVERYWHERE, *codes):
        of_status.setdefault(PROBLEMS[code].status.value, []).append(code)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": ", ".join(named), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, named in sorted(of_status.items())
    }
