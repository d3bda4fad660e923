"""What the portal counts: answers by the class of their status, and how long they took."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assembly.metrics import BUCKETS_S

STATUSES = {status: f"{status}xx" for status in range(1, 6)}


class MeasuredPages:
    """An ASGI application around another; no label names a page, a person or an address."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        answers = Counter(
            "tollgate_portal_answers", "Answers of the portal", ("status",), registry=registry
        )
        self._answers = {first: answers.labels(name) for first, name in STATUSES.items()}
        self._seconds = Histogram(
            "tollgate_portal_answer_seconds",
            "From the request's head to the end of the answer",
            buckets=BUCKETS_S,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answers[message["status"] // 100].inc()
            await send(message)

        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            await self._app(scope, receive, counted)
        finally:
            self._seconds.observe(loop.time() - began_s)
