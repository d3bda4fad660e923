"""Asterisk: there, new enough, letting us in, and with the dialplan of the present plan."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from admin.checks.ami import AmiError, AmiRefusedError, Message, logged_in, why_lost
from admin.checks.findings import Finding, listed, ok, problem, warning
from assembly.routes import own_asterisk
from dialplan.contexts import INCLUDED, PAID, REFUSED
from dialplan.office_routes import OfficeRoutes, context_of, of_all
from dialplan.phones import PhonesError
from dialplan.render import STAMP, AsteriskConfig, stamp_of
from plans.files import PlanFileError
from settings import AmiSettings, AriSettings, Settings
from telephony.tools import ASTERISK_FLOOR, TelephonyError, find_asterisk

TIMEOUT_S = 3
CLOCKS_DIFFER_S = 5
FLOOR = ".".join(map(str, ASTERISK_FLOOR))
START = "start Asterisk: systemctl start asterisk"
RENDER = (
    "`tollgate dialplan render --output /etc/asterisk/tollgate`, then `asterisk -rx 'dialplan"
    " reload'`"
)
OURS = context_of("emergency", "")  # no office is without it
HANDED_BACK = {
    PAID: frozenset({"_X!", "i"}),
    INCLUDED: frozenset({"_X!"}),
    REFUSED: frozenset({"_X!"}),
}


class AriError(Exception):
    """No answer that could be understood; the message says why."""


def check_program(_settings: Settings) -> Iterator[Finding]:
    try:
        yield judge_program(find_asterisk())
    except TelephonyError as error:
        yield problem(str(error), f"install Asterisk {FLOOR} or newer again")


def judge_program(found: tuple[str, tuple[int, ...]] | None) -> Finding:
    if found is None:
        return warning(
            "there is no Asterisk program on this machine",
            f"right if it runs on another one; else install {FLOOR} or newer, or `make setup`",
        )
    place, version = found
    said = f"Asterisk {'.'.join(map(str, version))} in {place}"
    if version < ASTERISK_FLOOR:
        return problem(f"{said} is older than {FLOOR}", f"install Asterisk {FLOOR} or newer")
    return ok(said)


def check_ari(settings: Settings) -> Iterator[Finding]:
    if settings.ari is None:
        yield problem(
            "the settings name no ARI, so `tollgate serve` cannot start",
            '[ari] password = "…", as in ari.conf; also base_url and username where they differ',
        )
        return
    place = _place(settings.ari)
    try:
        status, info = asyncio.run(_get(settings, "asterisk/info"))
    except AriError as error:
        yield problem(f"ARI at {place} cannot be reached: {error}", f"{START}; see http.conf")
        return
    yield judge_ari(status, info, place=place, username=settings.ari.username)


def check_asterisks_clock(settings: Settings) -> Iterator[Finding]:
    if settings.ari is None:
        return
    try:
        status, answer = asyncio.run(_get(settings, "asterisk/ping"))
    except AriError:
        return  # said where ARI is looked at
    if status == HTTPStatus.OK:
        theirs = datetime.fromisoformat(str(answer["timestamp"]))
        yield judge_clock((theirs - datetime.now(UTC)).total_seconds())


def judge_clock(ahead_s: float) -> Finding:
    if abs(ahead_s) < CLOCKS_DIFFER_S:
        return ok("Asterisk's clock and this machine's agree")
    way = "ahead of" if ahead_s > 0 else "behind"
    return warning(
        f"Asterisk's clock is {abs(ahead_s):.0f} s {way} this machine's: nobody pays more or less"
        " for it, but a day's limit begins at another moment",
        "set both clocks right: timedatectl set-ntp true",
    )


def judge_ari(status: int, info: Mapping[str, Any], *, place: str, username: str) -> Finding:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return problem(
            f"ARI at {place} does not accept the password of {username}",
            f"[ari] username and password must be those of [{username}] in ari.conf",
        )
    version = str(info.get("system", {}).get("version", ""))
    if status != HTTPStatus.OK or not version:
        return problem(
            f"what answers at {place} is not ARI: status {status}",
            "[ari] base_url; ari.conf and http.conf need enabled = yes, then restart Asterisk",
        )
    if _numbers(version) < ASTERISK_FLOOR:
        return problem(
            f"Asterisk {version} at {place} is older than {FLOOR}",
            f"install Asterisk {FLOOR} or newer",
        )
    return ok(f"Asterisk {version} answers at {place}")


def check_application(settings: Settings) -> Iterator[Finding]:
    if settings.ari is None:
        return
    name = settings.ari.app_name
    try:
        status, _ = asyncio.run(_get(settings, f"applications/{name}"))
    except AriError:
        return  # said by check_ari
    if status == HTTPStatus.OK:
        yield ok(f"the application {name} is connected to Asterisk")
    elif status == HTTPStatus.NOT_FOUND:
        yield problem(
            f"the application {name} is not connected: paid calls are refused",
            "`tollgate serve`; or, if it runs, see its log",
        )


def check_ami(settings: Settings) -> Iterator[Finding]:
    if settings.ami is None:
        yield problem(
            "the settings name no AMI, so `tollgate serve` cannot start",
            '[ami] secret = "…", as in manager.conf; also host, port, username where they differ',
        )
        return
    place = f"{settings.ami.host}:{settings.ami.port}"
    try:
        asyncio.run(_log_in(settings.ami))
    except AmiRefusedError as error:
        yield problem(
            f"AMI at {place} does not let {settings.ami.username} in: {error}",
            f"[ami] username and secret must be those of [{settings.ami.username}] in manager.conf",
        )
    except AmiError as error:
        yield problem(f"AMI at {place} cannot be reached: {error}", f"{START}; see manager.conf")
    else:
        yield ok(f"AMI at {place} lets {settings.ami.username} in")


def check_dialplan(settings: Settings) -> Iterator[Finding]:
    """What Asterisk has of our contexts, against what the plan says now."""
    if settings.ami is None:
        return
    try:
        config = own_asterisk(settings)
        wanted = our_extensions(config)
        found = asyncio.run(_dialplan(settings.ami, wanted))
    except (PlanFileError, PhonesError, AmiError):
        return  # said by check_plans, check_phones and check_ami
    known = {name: frozenset(each["Extension"] for each in found[name]) for name in wanted}
    if not known[OURS]:
        return  # said by check_loaded
    unwritten = [office for office in config.offices if not known[_help_of(office)]]
    other = [_judge_unwritten(unwritten)] if unwritten else []
    skipped = {STAMP}.union(*map(_routes_of, unwritten))
    other += [
        finding
        for name, extensions in wanted.items()
        if name not in skipped
        for finding in judge_context(name, wanted=extensions, found=known[name])
    ]
    other = other or list(judge_stamp(known[STAMP], wanted=wanted[STAMP]))
    yield from other
    if not other:
        yield ok("Asterisk knows the emergency, free and included numbers of the present plan")


def check_feature_codes(settings: Settings) -> Iterator[Finding]:
    codes = [code for _, code in settings.agi.codes if code]
    if not codes:
        return
    place = f"{settings.agi.address}:{settings.agi.port}"
    try:
        asyncio.run(_connect(settings.agi.address, settings.agi.port))
    except (OSError, TimeoutError) as error:
        yield warning(
            f"nobody speaks to those who dial {listed(codes)}: {place}: {why_lost(error)}",
            "`tollgate serve`",
        )
    else:
        yield ok(f"{listed(codes)} are answered at {place}")


def our_extensions(config: AsteriskConfig) -> dict[str, frozenset[str]]:
    """Those that connect without the application, and those it sends a caller to, by context."""
    return {
        **_routes_of(of_all(config.offices)),
        **{name: e for office in config.offices for name, e in _routes_of(office).items()},
        "tollgate-features": frozenset(code for code, _ in config.features),
        **HANDED_BACK,
        STAMP: frozenset({stamp_of(config)}),
    }


def _judge_unwritten(offices: Sequence[OfficeRoutes]) -> Finding:
    """Written by an earlier Tollgate, or before the office was; who includes them is walked."""
    names = listed([office.name for office in offices])
    return warning(f"Asterisk has no contexts of the office {names} yet", RENDER)


def _help_of(office: OfficeRoutes) -> str:
    return context_of("emergency", office.name)


def _routes_of(office: OfficeRoutes) -> dict[str, frozenset[str]]:
    return {
        _help_of(office): frozenset(number for number, _ in office.emergency),
        context_of("free", office.name): frozenset(each.pattern for each in office.free),
        context_of("fallback", office.name): frozenset(each.pattern for each in office.fallback),
    }


def judge_stamp(found: frozenset[str], *, wanted: frozenset[str]) -> Iterator[Finding]:
    """Extensions that are all there say nothing of what an older version wrote behind them."""
    if not found:
        yield warning("Asterisk's contexts of ours were written by an earlier Tollgate", RENDER)
    elif found != wanted:
        yield warning(
            "Asterisk's contexts of ours were written by another version, or for another plan or"
            " other settings than the present ones",
            RENDER,
        )


def judge_context(
    context: str, *, wanted: frozenset[str], found: frozenset[str]
) -> Iterator[Finding]:
    missing, extra = sorted(wanted - found), sorted(found - wanted)
    if missing:
        yield problem(f"Asterisk's [{context}] lacks {listed(missing)}", RENDER)
    if extra:
        yield problem(f"Asterisk's [{context}] has what the plan has not: {listed(extra)}", RENDER)


async def _connect(host: str, port: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        _, writer = await asyncio.open_connection(host, port)
    writer.close()


async def _log_in(settings: AmiSettings) -> None:
    async with logged_in(settings, timeout_s=TIMEOUT_S):
        return


async def _dialplan(settings: AmiSettings, contexts: Iterable[str]) -> dict[str, Sequence[Message]]:
    async with logged_in(settings, timeout_s=TIMEOUT_S) as ami:
        return {context: await ami.dialplan(context) for context in contexts}


async def _get(settings: Settings, path: str) -> tuple[int, Mapping[str, Any]]:
    """Status and answer; the answer is empty where it is no object of JSON."""
    async with ari_session(settings) as session:
        status, answer = await get_json(session, path)
    return status, answer if isinstance(answer, Mapping) else {}


@asynccontextmanager
async def ari_session(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """For questions to ARI, by `get_json`."""
    ari = settings.ari
    if ari is None:
        raise AriError("the settings name no ARI")
    credentials = aiohttp.encode_basic_auth(ari.username, ari.password.get_secret_value())
    async with aiohttp.ClientSession(
        f"{ari.base_url.rstrip('/')}/ari/",
        headers={"Authorization": credentials},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    ) as session:
        yield session


async def get_json(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    """Status and answer; None where it is no JSON.

    Raises:
        AriError: nobody answered.
    """
    try:
        async with session.get(path) as reply:
            is_json = reply.content_type == "application/json"
            return reply.status, await reply.json() if is_json else None
    except TimeoutError as error:
        raise AriError(f"no answer in {TIMEOUT_S} s") from error
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise AriError(why_lost(error)) from error


def _place(settings: AriSettings) -> str:
    return str(URL(settings.base_url).with_user(None))


def _numbers(version: str) -> tuple[int, ...]:
    """(22, 10, 1) of "22.10.1+dfsg+~cs6.17"; nothing of "GIT-master", which is no release."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", version)[:3])
