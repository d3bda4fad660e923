"""Receipts as PDF, one at a time: each keeps a core busy, and the pages come first."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from functools import partial

from charging.receipts import Receipt
from papers.receipts import receipt_pdf


class Printer:
    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="printer")

    def close(self) -> None:
        self._thread.shutdown()

    async def pdf(self, receipt: Receipt, *, zone: tzinfo) -> bytes:
        """In the language in which it was issued.

        Raises:
            NoPdfError: this system lacks what draws it.
        """
        draw = partial(receipt_pdf, receipt, zone=zone)
        return await asyncio.get_running_loop().run_in_executor(self._thread, draw)
