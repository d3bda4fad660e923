"""Money in by card: the worker, its keys, the mail server, and money that is missing."""

import asyncio
import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from admin.checks.certificate import SOON, ends_at, soon_over
from admin.checks.database import ledger_of
from admin.checks.findings import Finding, listed, ok, problem, warning
from assembly.health import PROCESSOR, PROCESSORS_CLOCK, NoAnswerError, ask
from db.inbox import events_with_problems, unhandled_before
from db.ledger import read_from
from db.money_reads import charged_elsewhere, due_payments, pays_by_card
from db.outbox import waiting_since
from settings import NoticeSettings, PaymentsSettings, Settings

LATE = timedelta(minutes=5)  # for what a worker does within a second
SMTP_TIMEOUT_S = 10
WORKERS_REMEDIES = {
    PROCESSOR: "see that this machine reaches it, and [payments] stripe_key_file",
    PROCESSORS_CLOCK: "set the clock and let it be kept: timedatectl set-ntp true",
}


def check_money_in(settings: Settings) -> Iterator[Finding]:
    with ledger_of(settings) as engine:
        if engine is None:
            return
        now = datetime.now(UTC)
        in_use = read_from(engine, pays_by_card)
        yield from read_from(engine, lambda reader: list(judge_money(reader, now)))
    if in_use:
        yield from judge_keys(settings.payments)
        yield from judge_worker(settings)
        if settings.topups.seller_name is None:
            yield warning(
                "no receipt is issued for what is paid by card",
                "name yourself: [topups] seller_name",
            )
    else:
        yield ok("no office pays by card")
    if settings.notices.smtp_host is not None:
        yield judge_mail_server(settings.notices, now=datetime.now(UTC))


def judge_money(reader: Connection, now: datetime) -> Iterator[Finding]:
    missing = charged_elsewhere(reader)
    for payment in missing:
        yield problem(
            f"payment {payment.payment_id} of office {payment.office_id}, {payment.amount}, may"
            f" have been charged and is not credited as it should be: {payment.attempt.code}",
            "look at it at the card processor; where nothing was taken:"
            f" tollgate cancel-topup {payment.payment_id} --not-charged",
        )
    told = events_with_problems(reader)
    if told:
        yield problem(
            f"{len(told)} events of the card processor could not be handled:"
            f" {listed([f'{name}: {why}' for _, name, why in told])}",
            "look at them at the card processor: each may be money that nobody expected",
        )
    late = due_payments(reader, now - LATE, 100)
    if late:
        yield problem(
            f"{len(late)} payments wait for the worker since {late[0].attempt.due_at:%H:%M} UTC",
            "`tollgate serve` runs it (python -m payments); see its log",
        )
    if waiting := unhandled_before(reader, now - LATE):
        yield problem(
            f"{waiting} events of the card processor are not handled",
            "`tollgate serve` runs the worker (python -m payments); see its log",
        )
    unsent = waiting_since(reader, now - LATE)
    if unsent:
        why = next((each.problem for each in unsent if each.problem), "nobody sends them")
        yield problem(
            f"{len(unsent)} notices are not sent: {why}",
            "see [notices] of the settings, and that `python -m payments` runs",
        )
    if not missing and not told:
        yield ok("all that was charged to cards is credited")


def judge_keys(payments: PaymentsSettings) -> Iterator[Finding]:
    if payments.processor == "sandbox":
        yield warning("cards are charged by the sandbox: no money is real", "see docs/payments.md")
        return
    if payments.stripe_key is None and payments.stripe_key_file is None:
        yield problem("Stripe wants a key, and there is none", "[payments] stripe_key_file")
    if payments.webhook_secret is None and payments.webhook_secret_file is None:
        yield warning(
            "no webhook of Stripe is taken, so that what happens there is known a minute later",
            "[payments] webhook_secret_file",
        )


def judge_worker(settings: Settings) -> Iterator[Finding]:
    try:
        health = asyncio.run(ask("payments", settings))
    except NoAnswerError as error:
        yield problem(
            f"the worker of card payments (payments) cannot be asked how it is: {error}",
            "`tollgate serve`, or see its log; ask as root or as the user who runs it, with the"
            " same settings",
        )
        return
    for about, said in health.problems.items():
        yield problem(
            f"the worker of card payments, run by {health.user}, has trouble with the {about}:"
            f" {said}",
            WORKERS_REMEDIES.get(about, "let that user write to the ledger and its folder"),
        )
    if not health.problems:
        yield ok(f"the worker of card payments is well, run by {health.user}")


def judge_mail_server(notices: NoticeSettings, *, now: datetime) -> Finding:
    """Connects, encrypts and signs in as the settings say, and sends nothing."""
    where = f"{notices.smtp_host}:{notices.smtp_port}"
    try:
        ends = _look_at(notices)
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        return problem(
            f"the mail server {where} cannot be used: {type(error).__name__}: {error}",
            "correct [notices], or ask who runs the server",
        )
    if ends is not None and ends - now < SOON:
        return soon_over(where, ends, remedy="ask who runs the mail server to renew it")
    return ok(f"the mail server {where} takes mails")


def _look_at(notices: NoticeSettings) -> datetime | None:
    """When its certificate ends; None: it has none."""
    host, port = str(notices.smtp_host), notices.smtp_port
    authorities = None if notices.smtp_ca_file is None else str(notices.smtp_ca_file)
    context = ssl.create_default_context(cafile=authorities)
    if notices.smtp_tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SMTP_TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=SMTP_TIMEOUT_S)
    with server:
        if notices.smtp_tls == "starttls":
            server.starttls(context=context)
        encrypted = server.sock
        shown = encrypted.getpeercert() if isinstance(encrypted, ssl.SSLSocket) else None
        if notices.smtp_user:
            server.login(notices.smtp_user, notices.password)
        server.noop()
    return ends_at(shown or {})
