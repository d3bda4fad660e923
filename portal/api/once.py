"""Requests that move money: sent twice under one key, they are carried out once and answered alike.

The key also names the payment or the entry. So whatever happens between the two, and whoever is
killed in between, sending the same request again never moves money a second time.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import Response

from charging.errors import CurrencyMismatch, EntryKeyReused, Refusal
from db import api_requests
from db.api_requests import Answered, Begun, KeyedRequest, UnderWay, UsedOtherwise
from db.people import sha256
from portal.api.access import caller_of
from portal.api.problems import MEDIA_TYPE, PROBLEMS, ProblemError, problem_text
from portal.parts import Parts, parts_of

KEY_HEADER = "Idempotency-Key"
# What every request with a key may meet.
ONCE = ("idempotency_key_missing", "idempotency_key_reused", "request_in_flight")
REPLAYED = "idempotency-replayed"

Key = Annotated[
    str,
    Header(
        alias=KEY_HEADER,
        pattern=r"^[!-~]{1,128}$",
        description="A new one for everything that is wanted once: a UUID, say.",
        examples=["2d2f8a5e-6c6b-4a0e-9a56-0f6f1c1d7a10"],
    ),
]


@dataclass(frozen=True, slots=True)
class Once:
    parts: Parts
    headers: Headers
    request: KeyedRequest
    at: datetime

    @property
    def name(self) -> str:
        """What the payment or the entry is called by: two tokens with one key have two."""
        return f"api-{sha256(f'{self.request.token_id}:{self.request.key}')[:48]}"

    async def __call__(
        self, act: Callable[[], Awaitable[BaseModel]], status: HTTPStatus = HTTPStatus.CREATED
    ) -> Response:
        """Carry out what was asked for, or give the answer that it got before.

        Raises:
            ProblemError: it is being carried out, or the key came with another request.
        """
        store = self.parts.store
        standing = await store.write(
            lambda writer: api_requests.begin(writer, self.request, self.at)
        )
        match standing:
            case Answered():
                return _as_answer(standing, replayed=True)
            case UnderWay():
                raise ProblemError("request_in_flight")
            case UsedOtherwise():
                raise ProblemError("idempotency_key_reused")
            case Begun():
                pass
        try:
            answered = await self._carry_out(act, status)
        except Exception:
            # Nothing is known to have happened, so the same request may be sent again at once.
            await store.write(lambda writer: api_requests.give_up(writer, self.request))
            raise
        await store.write(lambda writer: api_requests.finish(writer, self.request, answered))
        return _as_answer(answered)

    async def _carry_out(
        self, act: Callable[[], Awaitable[BaseModel]], status: HTTPStatus
    ) -> Answered:
        """A no is an answer as well, and is kept like one."""
        try:
            done = await act()
        except ProblemError as no:
            return self._problem(no.code)
        except EntryKeyReused:
            return self._problem("idempotency_key_reused")
        except (Refusal, CurrencyMismatch) as no:
            return self._problem(no.code)
        return Answered(status.value, done.model_dump_json())

    def _problem(self, code: str) -> Answered:
        text = problem_text(self.parts.pages, self.headers, code)
        return Answered(PROBLEMS[code].status.value, text)


def _as_answer(answered: Answered, *, replayed: bool = False) -> Response:
    is_problem = answered.status >= HTTPStatus.BAD_REQUEST
    media_type = MEDIA_TYPE if is_problem else "application/json"
    headers = {REPLAYED: "true"} if replayed else {}
    return Response(
        answered.answer, status_code=answered.status, media_type=media_type, headers=headers
    )


async def once(request: Request, key: Key) -> Once:
    caller = caller_of(request)
    body = await request.body()
    asked = b"\n".join((request.method.encode(), request.url.path.encode(), body))
    keyed = KeyedRequest(
        token_id=caller.token.token_id,
        key=key,
        request_sha256=hashlib.sha256(asked).hexdigest(),
    )
    return Once(parts_of(request), request.headers, keyed, caller.at)


OnlyOnce = Annotated[Once, Depends(once)]
