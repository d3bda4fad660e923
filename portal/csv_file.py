"""A list as a file for spreadsheets, sent while it is read: no longer list costs more memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import TypeVar

from starlette.responses import StreamingResponse

from charging.csv_text import Cell, csv_line
from charging.money import Money

Item = TypeVar("Item")
Place = TypeVar("Place")
BYTE_ORDER_MARK = "\ufeff"  # without one, spreadsheets take accents for something else
_LINES_AT_ONCE = 200


def csv_answer(
    name: str,
    heading: Iterable[str],
    rows: AsyncIterator[Item],
    cells: Callable[[Item], Iterable[Cell]],
) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        waiting = [BYTE_ORDER_MARK, csv_line(heading)]
        async for row in rows:
            waiting.append(csv_line(cells(row)))
            if len(waiting) >= _LINES_AT_ONCE:
                yield "".join(waiting)
                waiting.clear()
        yield "".join(waiting)

    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


async def every_row(
    read: Callable[[Place | None], Awaitable[tuple[Sequence[Item], Place | None]]],
) -> AsyncIterator[Item]:
    """All rows of a list, a page at a time; `read` is given the place at which the next begins."""
    place: Place | None = None
    while True:
        rows, place = await read(place)
        for row in rows:
            yield row
        if place is None:
            return


def plain(amount: Money | None) -> str:
    """An amount without its currency, which has a column of its own: "-1.20"."""
    if amount is None:
        return ""
    return str(amount).partition(" ")[0]


def local(moment: datetime | None, zone: tzinfo) -> str:
    """In the office's zone, as spreadsheets read it."""
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
