"""What the application is made of; built in `__main__`, or by a test."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from charging.managers_settings import SettingChange
from charging.money_in import MoneyIn
from charging.ports import RateDecks
from portal.assets import Assets
from portal.mail import Mail
from portal.offices import Offices
from portal.pages import Pages
from portal.passwords import Passwords
from portal.printing import Printer
from portal.sessions import Sessions
from portal.store import Store

# What a manager sets, and from which address; when it returns, the pages know.
ChangeSetting = Callable[[SettingChange, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    store: Store
    sessions: Sessions
    passwords: Passwords
    printer: Printer
    pages: Pages
    mail: Mail
    offices: Offices
    money_in: MoneyIn
    decks: RateDecks
    change_setting: ChangeSetting
    assets: Assets
    now: Callable[[], datetime]
    public_url: str  # how links in mails begin


def parts_of(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


Needs = Annotated[Parts, Depends(parts_of)]
