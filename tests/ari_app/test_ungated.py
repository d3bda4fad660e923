"""Which answered legs nobody pays for, told from Asterisk's log of legs."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from ari_app.ami import Ami
from ari_app.ari import Ari, AriUnavailableError
from ari_app.leg_events import LegEvents
from ari_app.tail import Tail
from ari_app.ungated import (
    JUDGED_AFTER_S,
    JUDGED_AT_ONCE,
    KEPT_S,
    Carriers,
    Seen,
    Suspect,
    UngatedWatch,
    digits_of,
    forget,
    goes_to,
    is_paid,
    note,
    suspect_of,
)
from charging.errors import ChargingUnavailable
from charging.masking import masked
from db.ungated import PaidLeg, UngatedLeg, UngatedLegs
from dialplan.walk.targets import Target, targets_of
from telephony.cel import fields_of
from telephony.pjsip import fields_of as pjsip_fields_of

CARRIERS = Carriers(
    endpoints=frozenset({"trunk", "emergency"}),
    addresses=frozenset({"192.0.2.1"}),
    costs_nothing=lambda sent: sent in {"112", "442079460000"},
)
CALL = "a-1.0"


def line(kind: str, channel: str, name: str, **fields: str) -> bytes:
    event = {
        "eventtype": kind,
        "eventtime": "1795658359.929",
        "uniqueid": channel,
        "linkedid": CALL,
        "channame": name,
        "appdata": "",
        "dnid": "",
    }
    return json.dumps(event | fields).encode()


def dialled(data: str, channel: str = CALL) -> bytes:
    return line("APP_START", channel, "PJSIP/1001-00000000", appdata=data, dnid="0033")


def answered(endpoint: str = "trunk", channel: str = "a-1.1", **fields: str) -> bytes:
    name = f"PJSIP/{endpoint}-00000001"
    return line("ANSWER", channel, name, **{"appdata": "(Outgoing Line)"} | fields)


def suspected(*lines: bytes) -> Sequence[Suspect]:
    seen = Seen()
    for fields in filter(None, map(fields_of, lines)):
        note(seen, fields, now_s=1)
    return list(filter(None, (suspect_of(leg, seen, CARRIERS) for leg in seen.legs.values())))


@pytest.mark.parametrize("number", ["112", "442079460000"])
def test_leg_of_a_number_that_costs_nothing_is_explained(number: str) -> None:
    assert not suspected(dialled(f"PJSIP/{number}@trunk,60,gi"), answered())


def test_leg_of_any_other_number_is_a_suspect() -> None:
    (found,) = suspected(dialled("PJSIP/33142685300@trunk,60"), answered())
    assert (found.leg.endpoint, found.numbers) == ("trunk", ("33142685300",))


def test_leg_that_no_dial_is_known_of_is_a_suspect() -> None:
    (found,) = suspected(answered())
    assert found.numbers == ()


def test_every_number_that_was_dialled_there_counts() -> None:
    assert suspected(dialled("PJSIP/112@trunk"), dialled("PJSIP/33@trunk"), answered())


@pytest.mark.parametrize(
    "lines",
    [
        (answered("1002"),),
        (dialled("PJSIP/1002/sip:1002@192.0.2.9:5060,60,i"), answered("1002")),
        (answered(dnid="5001", appdata=""),),  # the carrier calls
        (line("ANSWER", "a-1.1", "Local/5@office-00000001;1", appdata="(Outgoing Line)"),),
        (b"{cut short", b"[]", b"7", b'{"eventtype":"ANSWER"}', b"[" * 100_000),
        (answered(eventtime="inf"), answered(eventtime="1e300"), answered(eventtime="nan")),
    ],
)
def test_what_is_no_leg_to_a_carrier_is_no_suspect(lines: Sequence[bytes]) -> None:
    assert not suspected(*lines)


def test_leg_to_a_phone_that_goes_to_the_carriers_address_is_a_suspect() -> None:
    uri = "sip:0033612345678@192.0.2.1"
    assert suspected(dialled(f"PJSIP/1002/{uri},60,i"), answered("1002"))


@pytest.mark.parametrize(
    ("uri", "goes"),
    [
        ("sip:33@192.0.2.1:5060", True),
        ("sip:33@192.0.2.9;maddr=192.0.2.1", True),
        ("sip:33@192.0.2.9;MADDR=192.0.2.1", True),
        ("sip:33@192.0.2.9?Route=%3Csip:192.0.2.1;lr%3E", True),
        ("sip:192.0.2.1", True),
        ("sip:1002@192.0.2.9:5060;transport=udp", False),
    ],
)
def test_where_a_uri_leads(uri: str, goes: bool) -> None:  # noqa: FBT001 - a table
    assert goes_to(uri, {"192.0.2.1"}) is goes


def test_one_call_in_the_ledger_pays_for_its_own_leg_alone() -> None:
    (found,) = suspected(dialled("PJSIP/33142685300@trunk"), answered())
    assert is_paid(found, [PaidLeg(caller=CALL, leg="a-1.1", dial_string="1")])
    assert is_paid(found, [PaidLeg(caller=CALL, leg=None, dial_string="33142685300")])
    assert is_paid(
        found, [PaidLeg(caller=CALL, leg="a-1.7", dial_string="142685300")]
    )  # dialled again
    assert not is_paid(found, [PaidLeg(caller=CALL, leg="a-1.7", dial_string="4930123456")])
    assert not is_paid(found, [PaidLeg(caller="b-1.0", leg=None, dial_string="33142685300")])
    assert not is_paid(found, [])


def test_numbers_are_masked() -> None:
    assert masked("33142685300") == "3314268xxxx"
    assert masked("3314268xxxx") == "3314268xxxx"
    assert masked(digits_of("sip:0033612345678@192.0.2.1")) == "003361234xxxx"
    assert masked("118500") == "118500"
    assert masked("") == ""


def test_what_dial_is_given() -> None:
    assert targets_of("PJSIP/1@a&Local/5@office/n&SIP/p/7&nobody,60,gi(x)") == [
        Target("PJSIP", "a", "1"),
        Target("Local", "office/n", "5"),
        Target("SIP", "p", "7"),
    ]


def test_log_is_read_on_over_rotation_and_begins_near_its_end(tmp_path: Path) -> None:
    log = tmp_path / "legs.json"
    tail = Tail(log, begin_bytes=8)
    assert tail.lines() == []
    log.write_bytes(b"one\ntw")
    assert tail.lines() == [b"one"]
    with log.open("ab") as writer:
        writer.write(b"o\nthree\n")
    assert tail.lines() == [b"two", b"three"]
    with log.open("ab") as writer:
        writer.write(b"four\n")
    log.rename(tmp_path / "legs.json.1")
    assert tail.lines() == [b"four"]
    log.write_bytes(b"five\n")
    assert tail.lines() == [b"five"]
    log.write_bytes(b"six\n")  # begun anew
    log.write_bytes(b"7\n")
    assert tail.lines() == [b"7"]
    tail.close()
    late = Tail(log, begin_bytes=5)
    log.write_bytes(b"first\nab\ncd\n")
    assert late.lines() == [b"cd"]
    late.close()


def test_log_is_read_a_piece_at_a_time_and_the_rest_of_a_moved_one_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_app.tail.READ_MAX", 8)
    log = tmp_path / "legs.json"
    log.write_bytes(b"")
    tail = Tail(log, begin_bytes=0)
    assert tail.lines() == []
    log.write_bytes(b"one\ntwo\nthree\nfour\n")
    assert tail.lines() == [b"one", b"two"]
    log.rename(tmp_path / "legs.json.1")
    log.write_bytes(b"five\n")
    assert [line for _ in range(3) for line in tail.lines()] == [b"three", b"four", b"five"]
    tail.close()


def test_dials_of_a_queue_that_dials_for_hours_are_forgotten_one_by_one() -> None:
    seen = Seen()
    for second in range(0, 3 * round(KEPT_S), 10):
        note(seen, fields_of(dialled("PJSIP/1002")) or {}, now_s=second)
        forget(seen, second)
    assert len(seen.dials[CALL]) <= KEPT_S / 10 + 1


class LedgerOfLegs(UngatedLegs):
    """Pays for nothing; fails as it is told to."""

    def __init__(self) -> None:
        self.fails: list[Exception] = []
        self.added: list[str] = []
        self.asked: list[Collection[str]] = []
        self.told = asyncio.Event()

    async def paid(self, callers: Collection[str]) -> Sequence[PaidLeg]:
        self.asked.append(callers)
        if self.fails:
            raise self.fails.pop(0)
        return ()

    async def add(self, leg: UngatedLeg) -> bool:
        self.added.append(leg.channel)
        self.told.set()
        return True


class NoAri(Ari):
    def __init__(self) -> None:
        pass

    async def pjsip_object(self, kind: str, name: str) -> dict[str, str]:
        raise AriUnavailableError(f"{kind} {name}")


class AriOfTwoCarriers(Ari):
    """`trunk` is reached at two addresses, and `emergency` by way of another."""

    def __init__(self) -> None:
        pass

    async def pjsip_object(self, kind: str, name: str) -> Mapping[str, str]:
        contacts = [f"sip:203.0.113.{n}:5060" for n in (1, 2)] if name == "trunk" else []
        told = {
            "aor": [("contact", contact) for contact in contacts],
            "endpoint": [
                ("aors", f"{name}, {name}"),
                ("outbound_proxy", "sip:203.0.113.3;lr" if name == "emergency" else ""),
            ],
        }
        return pjsip_fields_of([{"attribute": a, "value": v} for a, v in told[kind]])


class AmiOfOneLeg(Ami):
    def __init__(self, goes_to: str) -> None:
        self._told = {"CHANNEL(pjsip,target_uri)": goes_to, "CHANNEL(rtp,dest)": ""}

    async def variable(self, channel: str, name: str) -> str:
        assert channel == "a-1.1"
        return self._told[name]


@pytest.mark.parametrize(
    ("host", "leaves"),
    [
        ("192.0.2.1", True),  # of the settings
        ("203.0.113.1", True),
        ("203.0.113.2", True),
        ("203.0.113.3", True),
        ("203.0.113.4", False),
    ],
)
async def test_leg_of_a_phone_is_seen_at_every_address_of_a_carrier(
    host: str, *, leaves: bool
) -> None:
    ledger = LedgerOfLegs()
    watch = UngatedWatch(
        asterisk="pbx",
        carriers=CARRIERS,
        ami=AmiOfOneLeg(f"sip:1002@{host}:5060"),
        ari=AriOfTwoCarriers(),
        ungated=ledger,
    )
    watch.note(fields_of(answered("1002")) or {}, now_s=0)
    await watch.judge(JUDGED_AFTER_S)
    assert ledger.added == (["a-1.1"] if leaves else [])


async def not_far_before_the_end() -> int | None:
    return None


def watch_of(log: Path, ledger: UngatedLegs) -> LegEvents:
    watch = UngatedWatch(
        asterisk="pbx", carriers=CARRIERS, ami=cast(Ami, None), ari=NoAri(), ungated=ledger
    )
    return LegEvents(log, [watch], since_ms=not_far_before_the_end)


async def test_the_ledger_is_asked_once_about_many_legs(tmp_path: Path) -> None:
    log = tmp_path / "legs.json"
    legs = [answered(channel=f"a-1.{n}", linkedid=f"a-1.{n}") for n in range(JUDGED_AT_ONCE + 1)]
    log.write_bytes(b"\n".join((*legs, b"")))
    ledger = LedgerOfLegs()
    watch = watch_of(log, ledger)
    await watch.look(0)
    await watch.look(JUDGED_AFTER_S)
    watch.close()
    assert [len(callers) for callers in ledger.asked] == [JUDGED_AT_ONCE, 1]
    assert len(ledger.added) == len(legs)


async def test_leg_is_judged_again_when_the_database_is_back_and_others_are_not(
    tmp_path: Path,
) -> None:
    log = tmp_path / "legs.json"
    log.write_bytes(b"\n".join((answered(channel="a-1.1"), answered(channel="a-1.2"), b"")))
    ledger = LedgerOfLegs()
    watch = watch_of(log, ledger)
    ledger.fails = [ChargingUnavailable("away")]
    await watch.look(0)
    with pytest.raises(ChargingUnavailable):
        await watch.look(JUDGED_AFTER_S)
    await watch.look(JUDGED_AFTER_S)
    await watch.look(JUDGED_AFTER_S)
    watch.close()
    assert sorted(ledger.added) == ["a-1.1", "a-1.2"]


async def test_defect_of_the_watch_ends_neither_it_nor_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_app.leg_events.READ_EVERY_S", 0)
    monkeypatch.setattr("ari_app.ungated.JUDGED_AFTER_S", 0)
    monkeypatch.setattr("ari_app.ungated.JUDGED_AT_ONCE", 1)
    log = tmp_path / "legs.json"
    log.write_bytes(b"\n".join((answered(channel="a-1.1"), answered(channel="a-1.2"), b"")))
    ledger = LedgerOfLegs()
    ledger.fails = [RuntimeError("a defect")]
    watching = asyncio.create_task(watch_of(log, ledger).run())
    async with asyncio.timeout(5):
        await ledger.told.wait()
    assert ledger.added == ["a-1.2"]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
