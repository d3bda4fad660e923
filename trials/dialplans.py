"""The walker against Asterisk itself: drawn dialplans, loaded and dialled through, step by step.

Nothing answers and nothing rings: every Dial is to an endpoint without an address. What Asterisk
writes of each step it takes is the judge of what the walker says it takes.
"""

import asyncio
import random
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dialplan.office_routes import is_ours
from dialplan.walk.listing import dialplan_of
from dialplan.walk.lookup import Dialplan, in_order
from dialplan.walk.reached import Place, Start, Walked
from dialplan.walk.walker import Walker
from lab.errors import LabError
from lab.office import Office
from lab.patience import patience
from lab.telephony import find_telephony
from trials.drawn_dialplan import DIALLED, Drawn, draw

AT_ONCE = 500  # dialplans in one Asterisk
ANSWER_TIMEOUT_S = 20
END_TIMEOUT_S = 120
TRIES = 3
LOST_AFTER = 10  # looks in a row at an Asterisk without a channel
POLL_S = 0.2
NOWHERE = "nowhere"
ENDPOINT = f"""
[{NOWHERE}]
type = endpoint
transport = udp
allow = alaw
aors = {NOWHERE}
[{NOWHERE}]
type = aor
"""
MANAGER = """
[walker]
secret = {secret}
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.0/255.0.0.0
write = originate,call,reporting
"""
# Where the other half of each channel waits, which nobody looks at.
HOLD = """
[hold]
exten => s,1,Answer()
exten => s,2,Wait(30)
exten => go,1,Goto(${WHERE})
"""
_EXECUTED = re.compile(
    r"Executing \[(?P<extension>.*)@(?P<context>[\w-]+):(?P<priority>\d+)\]"
    r' \w+\("(?P<channel>Local/[^"]*-[0-9a-f]{8};[12])"'
)
_ENTERED = re.compile(r'go@hold:1\] Goto\("(?P<channel>[^"]+)", "(?P<context>[\w-]+),')
_ENDED = re.compile(
    r"(?:exited non-zero on|Auto fallthrough, channel|WARNING.*Channel) '(?P<channel>Local/[^']*)'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    dialplans: int = 0
    calls: int = 0
    steps: int = 0
    legs: int = 0
    problems: list[str] = field(default_factory=list)


async def compare(count: int, seed: int, say: Callable[[str], None]) -> Compared:
    """Draw `count` dialplans and dial one number in each; every difference is a problem."""
    chance = random.Random(seed)  # noqa: S311 - what is drawn is no secret
    with tempfile.TemporaryDirectory() as folder:
        async with _asterisk(Path(folder)) as office:
            total = Compared()
            for begin in range(0, count, AT_ONCE):
                some = range(begin, min(count, begin + AT_ONCE))
                drawn = [draw(f"w{number}", chance, trunk=NOWHERE) for number in some]
                calls = {each.context: chance.choice(DIALLED) for each in drawn}
                total = added(total, await _batch(office, drawn, calls))
                say(f"{total.calls} dialplans, {total.steps} steps, {len(total.problems)} wrong")
            return total


def added(one: Compared, other: Compared) -> Compared:
    return Compared(
        dialplans=one.dialplans + other.dialplans,
        calls=one.calls + other.calls,
        steps=one.steps + other.steps,
        legs=one.legs + other.legs,
        problems=[*one.problems, *other.problems],
    )


async def _batch(office: Office, drawn: Sequence[Drawn], calls: Mapping[str, str]) -> Compared:
    await write_drawn(office, drawn)
    events = await listed_dialplan(office)
    dialplan = dialplan_of(events)
    problems = [
        f"{name}: the extensions are in another order than Asterisk's"
        for name, context in dialplan.contexts.items()
        if in_order(context.extensions) != context.extensions
    ]
    walker = Walker(dialplan, not_answered=("CHANUNAVAIL",), anything_happens=False)
    walked = {
        context: walker.walk(Start(context=context, dialled=dialled, by_invite=False))
        for context, dialled in calls.items()
    }
    # What a call over Local ends with is told by none of its own steps.
    exact = {each.context for each in drawn if "Local/" not in each.text}
    taken = await _dial_all(office, calls)
    cut_off = {
        context: dialled
        for context, dialled in calls.items()
        if context in exact and surplus(dialplan, walked[context], taken.of(context))
    }
    again = await _dial_all(office, cut_off)  # which Asterisk may have ended at its beginning
    for context, dialled in calls.items():
        real = taken.of(context) | again.of(context)
        only = {
            "Asterisk": real - walked[context].places - walked[context].places_hung_up,
            "the walker": surplus(dialplan, walked[context], real) if context in exact else (),
        }
        problems += [
            f"{context} {dialled}: only {whose} goes to {place}"
            for whose, places in only.items()
            for place in sorted(places, key=str)
        ]
    return Compared(
        dialplans=len(drawn),
        calls=len(calls),
        steps=sum(map(len, taken.taken.values())),
        legs=sum(len(each.legs) for each in walked.values()),
        problems=problems,
    )


async def write_drawn(office: Office, drawn: Sequence[Drawn]) -> None:
    """In the place of those before."""
    text = "".join(each.text for each in drawn)
    (office.config.folder / "etc/drawn.conf").write_text(text, encoding="utf-8")
    await office.asterisk.cli("dialplan reload")


def surplus(dialplan: Dialplan, walked: Walked, real: Collection[Place]) -> Collection[Place]:
    """Where the walker goes and Asterisk did not; but for ours, where causes and a database decide.

    A lookup that finds nothing is a place of the walker's, and no step of Asterisk's.
    """
    return {
        place
        for place in walked.places.difference(real)
        if not is_ours(place.context)
        and dialplan.find(place.context, place.extension, place.priority)
    }


@dataclass(frozen=True, slots=True)
class Steps:
    """What Asterisk wrote: where the channels of each drawn dialplan went."""

    taken: Mapping[str, frozenset[Place]]
    ended: frozenset[str]  # the contexts that a channel entered and went as far as it goes

    def of(self, context: str) -> frozenset[Place]:
        return self.taken.get(context.partition("-")[0], frozenset())


def steps_in(log: str) -> Steps:
    taken: dict[str, set[Place]] = {}
    owner: dict[str, str] = {}
    entered: dict[str, str] = {}
    ended = set()
    for line in log.splitlines():
        if found := _ENTERED.search(line):
            entered[found["channel"]] = found["context"]
        elif found := _EXECUTED.search(line):
            channel = found["channel"]
            if found["context"] != "hold":
                name = owner.setdefault(channel, _owner(channel, found["context"]))
                place = Place(found["context"], found["extension"], int(found["priority"]))
                taken.setdefault(name, set()).add(place)
        elif found := _ENDED.search(line):
            ended.add(found["channel"])
    places = {name: frozenset(of_name) for name, of_name in taken.items()}
    whole = {context for channel, context in entered.items() if channel in ended}
    return Steps(taken=places, ended=frozenset(whole))


def _owner(channel: str, context: str) -> str:
    """Of a channel that enters there, or that another one made: the drawn dialplan's name."""
    entered = context if channel.endswith(";1") else channel.rpartition("@")[2]
    return entered.partition("-")[0]


@asynccontextmanager
async def _asterisk(folder: Path) -> AsyncIterator[Office]:
    """One that reads drawn dialplans, dials nobody, and writes down every step."""
    silent = folder / "sounds"
    silent.mkdir()
    async with Office(find_telephony(), folder / "office", sounds=silent) as office:
        etc = office.config.folder / "etc"
        dialplan = etc / "extensions.conf"
        written = dialplan.read_text(encoding="utf-8")
        text = re.sub(r"@(trunk|emergency)\b", f"@{NOWHERE}", written)
        dialplan.write_text(f"{text}{HOLD}\n#tryinclude drawn.conf\n", encoding="utf-8")
        _append(etc / "pjsip.conf", ENDPOINT)
        _append(etc / "manager.conf", MANAGER.format(secret=_secret(office)))
        for command in (
            "module load app_exec.so",
            "pjsip reload",
            "manager reload",
            "logger add channel steps verbose(3),warning",
            "core set verbose 3",
        ):
            await office.asterisk.cli(command)
        yield office


def _append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.write(text)


def _secret(office: Office) -> str:
    return office.config.secrets.ami_password[::-1]


# --- AMI ------------------------------------------------------------------------------------------


@asynccontextmanager
async def _manager(
    office: Office, login: Mapping[str, str]
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = office.config
    reader, writer = await asyncio.open_connection(config.control_address, config.ami_port)
    try:
        await reader.readline()
        await _asked(reader, writer, "Login", **login, Events="off")
        yield reader, writer
    finally:
        writer.close()


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, action: str, **fields: str
) -> Mapping[str, str]:
    lines = [f"Action: {action}", *(f"{name}: {value}" for name, value in fields.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    async with patience(ANSWER_TIMEOUT_S):
        return await _message(reader)


async def _message(reader: asyncio.StreamReader) -> Mapping[str, str]:
    block = (await reader.readuntil(b"\r\n\r\n")).decode()
    return dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)


async def listed_dialplan(office: Office) -> Sequence[Mapping[str, str]]:
    """Everything that Asterisk has loaded, asked for as the application's own AMI user."""
    secrets = office.config.secrets
    login = {"Username": secrets.ami_username, "Secret": secrets.ami_password}
    events: list[Mapping[str, str]] = []
    async with _manager(office, login) as (reader, writer):
        await _asked(reader, writer, "ShowDialPlan")
        while True:
            event = await _message(reader)
            if event.get("Event") == "ShowDialPlanComplete":
                return events
            events.append(event)


async def _dial_all(office: Office, calls: Mapping[str, str]) -> Steps:
    """Dial one number in each context, and return when every channel went as far as it goes.

    Now and then Asterisk cuts one of hundreds off at its beginning; then it is dialled again.
    """
    begin = len(_log(office))
    for _ in range(TRIES):
        ended = steps_in(_log(office, begin)).ended
        waiting = {context: dialled for context, dialled in calls.items() if context not in ended}
        if not waiting:
            break
        await _dial(office, waiting)
        async with patience(END_TIMEOUT_S):
            await _until_all_ended(office, waiting.keys(), begin)
    return steps_in(_log(office, begin))


async def _until_all_ended(office: Office, contexts: Collection[str], begin: int) -> None:
    """Or until nothing has been live for a while: then some call was lost on its way."""
    silent = 0
    while silent < LOST_AFTER:
        await asyncio.sleep(POLL_S)
        silent = silent + 1 if await _is_silent(office) else 0
        if steps_in(_log(office, begin)).ended.issuperset(contexts):
            break
    await office.asterisk.cli("channel request hangup all")
    while not await _is_silent(office):  # noqa: ASYNC110 - another program's state
        await asyncio.sleep(POLL_S)


async def _dial(office: Office, calls: Mapping[str, str]) -> None:
    login = {"Username": "walker", "Secret": _secret(office)}
    async with _manager(office, login) as (reader, writer):
        for context, dialled in calls.items():
            said = await _asked(
                reader,
                writer,
                "Originate",
                Channel="Local/s@hold/n",
                Context="hold",
                Exten="go",
                Priority="1",
                Variable=f"WHERE={context}\\,{dialled}\\,1",
                Async="true",
            )
            if said.get("Response") != "Success":
                raise LabError(f"Asterisk would not dial {dialled} in {context}: {said}")


def _log(office: Office, begin: int = 0) -> str:
    with (office.config.folder / "log/steps").open("rb") as file:
        file.seek(begin)
        return file.read().decode("latin-1")


async def _is_silent(office: Office) -> bool:
    return "0 active channels" in await office.asterisk.cli("core show channels count")
