"""Links that let somebody in: by a real mail server, made when they are sent, and kept nowhere."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text

from charging.people import LINK_LASTS
from db import people
from db.outbox import last_notices
from lab.ports import find_free_port
from payments.notices import AGAIN_AFTER, Outbox, mailer_of
from settings import NoticeSettings
from tests.db.test_outbox import Inbox
from tests.portal.site import Site, portal_site, text_of

NEW = {"password": "a better one than before", "again": "a better one than before"}
SECRET = re.compile(r"/welcome/([A-Za-z0-9_-]{20,})")


@pytest.fixture
def mail_server() -> Iterator[tuple[Inbox, NoticeSettings]]:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=find_free_port())
    controller.start()
    yield (
        inbox,
        NoticeSettings(smtp_host="127.0.0.1", smtp_port=controller.port, smtp_tls="none"),
    )
    controller.stop()


def outbox_of(site: Site, settings: NoticeSettings) -> Outbox:
    return Outbox(
        engine=site.engine,
        mailer=mailer_of(settings),
        settings=settings,
        clock=site.clock,
        name="test",
    )


async def test_a_forgotten_password_is_mailed_for_and_the_first_mail_that_is_taken_works(
    site: Site, mail_server: tuple[Inbox, NoticeSettings]
) -> None:
    inbox, settings = mail_server
    inbox.refuses = True
    outbox = outbox_of(site, settings)
    async with site.browser() as browser:
        browser.headers["accept-language"] = "fr"
        await browser.post("/forgotten", data={"address": "anna@example.com"})
        await outbox.send_due()
        assert inbox.mails == []
        # Tried again after longer than a link lasts: what is mailed then works from then on.
        inbox.refuses = False
        site.clock.advance((LINK_LASTS + AGAIN_AFTER[0]) // timedelta(seconds=1))
        await outbox.send_due()
        [mail] = inbox.mails
        assert mail["To"] == "anna@example.com"
        assert mail["Subject"] == "Choisissez un nouveau mot de passe"
        found = re.search(r"http\S+", mail.get_content())
        assert found is not None
        assert (await browser.get(found[0])).status_code == 200
        assert (await browser.post(found[0], data=NEW)).status_code == 303
        assert (await browser.post(found[0], data=NEW)).status_code == 410
    [sent] = site.read(lambda reader: last_notices(reader, "main", 9))
    assert (sent.sent_at, sent.problem) == (site.clock.now(), "")


async def test_no_table_holds_what_lets_somebody_in(site: Site) -> None:
    async with site.browser() as browser:
        await browser.post("/forgotten", data={"address": "anna@example.com"})
        await site.deliver()
    found = SECRET.search(site.mail.links[0])
    assert found is not None
    with site.engine.connect() as reader:
        tables = reader.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        for (table,) in tables.all():
            rows = reader.execute(text(f'SELECT * FROM "{table}"')).all()  # noqa: S608 - ours
            assert found[1] not in json.dumps([list(map(str, row)) for row in rows]), table


async def test_nobody_is_mailed_who_has_left_meanwhile(site: Site) -> None:
    async with site.browser() as browser:
        await browser.post("/forgotten", data={"address": "anna@example.com"})
        anna = site.users["anna"].user_id
        site.write(lambda writer: people.disable(writer, anna, site.clock.now()))
        await site.deliver()
    assert site.mail.messages == []


async def test_without_a_mail_server_every_page_says_who_makes_the_link(tmp_path: Path) -> None:
    with portal_site(tmp_path, mailed=False) as site:
        async with site.browser() as browser:
            for answer in (
                await browser.get("/forgotten"),
                await browser.post("/forgotten", data={"address": "anna@example.com"}),
            ):
                assert "“tollgate user reset” and your mail address" in text_of(answer)
                assert "<form class" not in answer.text
        async with site.browser("anna") as browser:
            vic = site.users["vic"].user_id
            page = await browser.post(f"/users/{vic}/invite", follow_redirects=True)
            assert "“tollgate user reset” and the mail address" in text_of(page)
        await site.deliver()
    assert site.mail.messages == []
