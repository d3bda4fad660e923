"""The portal adds past days up while it serves pages."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

from db.added_up import added_up_days
from db.engine import open_engine
from db.ledger import read_from
from db.schema import upgrade
from lab.two_years import fill_two_years
from portal.adding_up import add_up
from tests.fakes.clock import START

DAYS = 20


async def test_past_days_are_added_up_step_by_step_beside_the_pages(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    upgrade(engine)
    last = START + timedelta(days=DAYS)
    fill_two_years(engine, calls=200, unpaid=200, first=START, last=last)
    served = 0

    async def serve() -> None:
        nonlocal served
        while True:
            await asyncio.sleep(0)
            served += 1

    pages = asyncio.create_task(serve())
    days = await add_up(engine, last + timedelta(days=2))
    pages.cancel()
    assert days in {DAYS, DAYS + 1}
    assert served > days
    assert len(read_from(engine, partial(added_up_days, office_id="main"))) == days
    assert await add_up(engine, last + timedelta(days=2)) == 0
    engine.dispose()
