"""How the sandbox shall behave, and what it did: for tests, and for whoever tries an office out."""

import json
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from payments.sandbox_server.api import FAULTS, Api
from payments.sandbox_server.processor import ProblemError, Processor
from payments.sandbox_server.store import Fault, Store

CHOICES: Final = {
    "webhooks": {"sent", "doubled", "held", "lost"},
    "pace": None,  # what its seconds are multiplied by
}

SOON_S: Final = 3600.0

Order = Callable[[dict[str, Any]], object]


def control(api: Api, *, now: Callable[[], float]) -> list[Route]:
    store, processor = api.store, api.processor
    orders: dict[str, tuple[str, Order]] = {
        "/sandbox/log": ("GET", lambda _: store.logged()),
        "/sandbox/waiting": ("GET", lambda _: store.waiting_deliveries()),
        "/sandbox/faults": ("GET", lambda _: store.remaining_faults()),
        "/sandbox/fault": ("POST", lambda told: _order(store, told)),
        "/sandbox/no-faults": ("POST", lambda _: store.forget_faults()),
        "/sandbox/choose": ("POST", lambda told: _choose(store, told)),
        "/sandbox/hasten": ("POST", lambda _: _hasten(store, processor, now() + SOON_S)),
        "/sandbox/release": ("POST", lambda _: store.release_held(now=now())),
        "/sandbox/dispute": ("POST", lambda told: processor.dispute(told["intent"])),
        "/sandbox/close-dispute": (
            "POST",
            lambda told: processor.close_dispute(told["dispute"], won=told["won"]),
        ),
    }
    return [
        Route(path, _endpoint(api, order), methods=[method])
        for path, (method, order) in orders.items()
    ]


def _endpoint(api: Api, order: Order) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        if not api.is_ours(request):
            return JSONResponse({"error": {"code": "api_key_invalid"}}, 401)
        try:
            told = json.loads(await request.body() or b"{}")
            with api.store.transaction():
                done = order(told)
        except ProblemError as problem:
            return JSONResponse(problem.answer.body, problem.answer.status)
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": {"code": "order_invalid", "message": str(error)}}, 400)
        api.changed.set()
        return JSONResponse(done)

    return endpoint


def _hasten(store: Store, processor: Processor, until: float) -> int:
    """Do now what is to happen soon; how much that was."""
    kept = 0
    while (due := store.take_due_appointment(now=until)) is not None:
        processor.keep_appointment(*due)
        kept += 1
    return kept


def _order(store: Store, told: dict[str, Any]) -> None:
    if told["kind"] not in FAULTS:
        raise ValueError(f"{told['kind']} is no fault of the sandbox's")
    store.order(
        Fault(
            told["kind"],
            str(told.get("path", "/v1/")),
            int(told.get("times", 1)),
            float(told.get("seconds", 0)),
        )
    )


def _choose(store: Store, told: dict[str, Any]) -> None:
    for name, value in told.items():
        known = CHOICES[name]
        if known is None:
            float(value)
        elif value not in known:
            raise ValueError(f"{name} is one of {', '.join(sorted(known))}")
        store.choose(name, str(value))
