"""What `tollgate dialplan check` looks at: the running Asterisk, or the files of one."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from admin.checks.ami import AmiError
from admin.checks.asterisk import OURS, AriError
from admin.checks.pjsip import Endpoint, Named, named_in, phones_of
from admin.checks.running import running_asterisk
from admin.checks.ways import parties_of
from charging.offices import Office
from charging.plan import Category
from charging.unpaid import costs_nothing
from dialplan.config_text import Category as Section
from dialplan.config_text import Line, Remark, SourceFile, read_config
from dialplan.contexts import OUR_TRUNKS
from dialplan.patterns import emergency_dialled
from dialplan.walk.files import read_dialplan
from dialplan.walk.inspection import Caller, Key
from dialplan.walk.lookup import Dialplan
from dialplan.walk.shown import lines_shown
from dialplan.walk.verdict import Carriers
from settings import Settings

CLI_TIMEOUT_S = 10
OTHER_ENGINES = {"extensions.ael": "AEL", "extensions.lua": "Lua"}


class SubjectError(Exception):
    """It cannot be looked at; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dialplan, and who is in it."""

    source: str  # in words
    dialplan: Dialplan
    variables: Mapping[str, str]  # global ones
    endpoints: Sequence[Endpoint]
    lines: Mapping[Key, Line]  # of files; empty where only Asterisk was asked
    remarks: Sequence[Remark] = ()

    def trunks(self) -> frozenset[str]:
        return frozenset(each.name for each in self.endpoints if each.is_trunk)


def running_subject(settings: Settings, lines_file: Path | None) -> Subject:
    """Raises SubjectError."""
    if settings.ari is None or settings.ami is None:
        raise SubjectError(
            "the settings do not say how to reach Asterisk ([ari] and [ami]);"
            " --files DIR reads its files instead"
        )
    try:
        running = asyncio.run(running_asterisk(settings))
    except (AmiError, AriError) as error:
        raise SubjectError(f"Asterisk cannot be asked: {error}; --files DIR reads its files") from (
            error
        )
    return Subject(
        source="the running Asterisk",
        dialplan=running.dialplan,
        variables=running.variables,
        endpoints=running.endpoints,
        lines=lines_shown(_shown_by_cli() if lines_file is None else _text(lines_file)),
    )


def files_subject(folder: Path, settings: Settings) -> Subject:
    """Raises SubjectError: there is no extensions.conf that can be read."""
    main = folder / "extensions.conf"
    written = read_dialplan(SourceFile(name=main.name, text=_text(main)), _Finder(folder))
    others = [
        Remark(
            Line(name, 1), f"what is written in {language} only Asterisk can tell", is_unknown=True
        )
        for name, language in OTHER_ENGINES.items()
        if (folder / name).exists() and _text(folder / name).strip()
    ]
    return Subject(
        source=str(folder),
        dialplan=written.dialplan,
        variables=written.variables,
        endpoints=[*_endpoints_in(folder, named_in(settings, written.dialplan))],
        lines=written.lines,
        remarks=[*written.remarks, *others],
    )


def callers_of(
    subject: Subject, offices: Sequence[Office], settings: Settings, contexts: Sequence[str]
) -> Sequence[Caller]:
    """Whoever is to be looked at: phones by their contexts, callers from outside among them.

    Args:
        subject: where they are.
        offices: whose plan says what costs.
        settings: which phone is of which office.
        contexts: looked at besides, whoever may be in them.
    """
    whose = {phone.endpoint: phone.office for phone in phones_of(settings)}
    named = [
        Endpoint(name=f"a phone in {name}", context=name, allow_transfer=False, is_trunk=False)
        for name in contexts
    ]
    return [
        Caller(
            context=party.context,
            phones=tuple(each.name for each in party.endpoints),
            costs=tuple(
                each.dialled
                for each in party.tried
                if each.category in {Category.PAID, Category.BARRED}
            ),
            emergency=()
            if all(each.is_trunk for each in party.endpoints)
            else tuple(_emergency(subject.dialplan, party.offices[0])),
            carriers=_carriers(subject, party.offices),
            variables=party.endpoints[0].variables,
        )
        for party in parties_of([*subject.endpoints, *named], offices, whose)
    ]


def _carriers(subject: Subject, offices: Sequence[Office]) -> Carriers:
    return Carriers(
        trunks=subject.trunks() | OUR_TRUNKS, is_paid=lambda sent: not costs_nothing(sent, offices)
    )


def _emergency(dialplan: Dialplan, office: Office) -> Iterator[str]:
    """Those that our contexts have, where they are loaded; else those of the country."""
    ours = dialplan.contexts.get(OURS)
    known = None if ours is None else {each.name for each in ours.extensions}
    for dialled, _ in emergency_dialled(office.emergency_sites):
        if not dialled.endswith("#") and (known is None or dialled in known):
            yield dialled


def _shown_by_cli() -> str:
    """Empty where Asterisk's control socket is not this user's to use."""
    asterisk = shutil.which("asterisk")
    if asterisk is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, of no shell
            [asterisk, "-rx", "dialplan show"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CLI_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


# --- files ----------------------------------------------------------------------------------------


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SubjectError(f"{file} cannot be read: {error.strerror}") from error


class _Finder:
    """Files by a name as #include has it: of the folder, or with a path of its own; wildcards."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str) -> Sequence[SourceFile]:
        path = Path(name)
        base, pattern = (
            (Path("/"), str(path.relative_to("/"))) if path.is_absolute() else (self._folder, name)
        )
        files = sorted(each for each in base.glob(pattern) if each.is_file())
        return [
            SourceFile(name=self._shown(each), text=each.read_text("utf-8", errors="replace"))
            for each in files
        ]

    def _shown(self, file: Path) -> str:
        inside = file.is_relative_to(self._folder)
        return str(file.relative_to(self._folder)) if inside else str(file)


def _endpoints_in(folder: Path, named: Named) -> Iterator[Endpoint]:
    main = folder / "pjsip.conf"
    if not main.exists():
        return
    config = read_config(SourceFile(name=main.name, text=_text(main)), _Finder(folder))
    typed: dict[str, list[Section]] = {}
    for section in config.categories:
        typed.setdefault(section.last("type").lower(), []).append(section)
    with_address = {each.name for each in typed.get("aor", ()) if each.last("contact")}
    for section in typed.get("endpoint", ()):
        aors = {aor.strip() for aor in section.last("aors").split(",")}
        set_here = [each.value for each in section.entries if each.name.lower() == "set_var"]
        yield Endpoint(
            name=section.name,
            context=section.last("context") or "default",
            allow_transfer=section.last("allow_transfer").lower() not in {"no", "false", "0"},
            is_trunk=named.is_trunk(section.name, has_address=bool(aors & with_address)),
            variables=dict(_assigned(each) for each in set_here),
        )


def _assigned(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()
