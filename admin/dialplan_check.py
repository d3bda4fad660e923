"""`tollgate dialplan check` and `trace`: what phones can dial past the gate, and by which way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from admin.context import AsJson, command
from admin.dialplan_subject import (
    Subject,
    SubjectError,
    callers_of,
    files_subject,
    running_subject,
)
from admin.output import print_json, say
from assembly.offices import read_offices
from dialplan.config_text import Line
from dialplan.walk import rules
from dialplan.walk.inspection import (
    Finding,
    Inspected,
    Key,
    Result,
    inspect,
    past_the_hook,
    worst,
)
from dialplan.walk.reached import Ran, Start
from dialplan.walk.rules import Level
from dialplan.walk.sarif import sarif
from dialplan.walk.trace import fields_of, lines_of, trace
from dialplan.walk.verdict import PAID_MS
from dialplan.walk.walker import Walker
from settings import Settings, load_settings

STATUS_WRONG, STATUS_NOT_LOOKED_AT, STATUS_CANNOT_TELL = 1, 2, 3

Files = Annotated[
    Path | None,
    typer.Option("--files", metavar="DIR", help="Read Asterisk's files there, and ask nobody."),
]


class Output(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    subject: Subject
    inspected: Sequence[Inspected]
    general: Sequence[Finding]  # of no context in particular
    remarks: Sequence[tuple[Finding, Line]]  # of the files themselves

    @property
    def findings(self) -> Sequence[Finding]:
        return [
            *(finding for each in self.inspected for finding in each.findings),
            *self.general,
            *(finding for finding, _ in self.remarks),
        ]

    @property
    def lines(self) -> Mapping[Key, Line]:
        own = {f.key: line for f, line in self.remarks if f.key is not None}
        return {**self.subject.lines, **own}

    @property
    def status(self) -> int:
        if worst(self.findings) is Level.ERROR:
            return STATUS_WRONG
        unknown = {rules.CANNOT_TELL, rules.FILE_CANNOT_TELL}
        return STATUS_CANNOT_TELL if unknown & {each.rule for each in self.findings} else 0


def check(
    *,
    files: Files = None,
    context: Annotated[
        list[str] | None, typer.Option(help="Look at this context too, whoever is in it.")
    ] = None,
    lines: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where `asterisk -rx 'dialplan show'` was kept."),
    ] = None,
    output: Annotated[Output, typer.Option("--format")] = Output.TEXT,
    as_json: AsJson = False,
) -> None:
    """Prove what every phone's context lets out, and show a number for whatever is not paid.

    Three results: gated; ungated, with a number that shows it; cannot be told, with the
    place and why. Changes nothing. Exit status 0: all gated. 1: something must be mended.
    2: it could not be looked at. 3: nothing is wrong that can be told, and not all can.
    """
    with command():
        settings = load_settings()
        report = _looked_at(settings, files, lines, context or [])
    if as_json or output is Output.JSON:
        print_json(_fields(report))
    elif output is Output.SARIF:
        found = sarif(report.findings, report.lines, version=metadata.version("tollgate"))
        print_json(found, indent=2)
    else:
        for line in _text(report):
            say(line)
    if report.status:
        raise typer.Exit(report.status)


def trace_number(  # noqa: PLR0913 - each is one option of the command
    number: Annotated[str, typer.Argument(help="As dialled at the phone.")],
    *,
    phone: Annotated[str, typer.Option(help="The endpoint that dials, or --context.")] = "",
    context: Annotated[str, typer.Option(help="Where it dials, if no phone is named.")] = "",
    allowed: Annotated[
        bool, typer.Option(help="Go on behind the application, as if it allowed the call.")
    ] = False,
    files: Files = None,
    as_json: AsJson = False,
) -> None:
    """Show the way that a number takes through the dialplan, as a tree; nobody is called."""
    with command():
        settings = load_settings()
        subject = _subject(settings, files, None)
    known = {each.name: each for each in subject.endpoints}
    if not context and phone not in known:
        _not_looked_at(f"there is no phone {phone!r}; --context names where to begin")
    start = Start(
        context=context or known[phone].context,
        dialled=number,
        variables=known[phone].variables if phone in known else {},
        paid_ms=PAID_MS if allowed else 0,
    )
    tree = trace(_walker(subject, settings), start)
    if as_json:
        print_json({"source": subject.source, **fields_of(tree, where=_where(subject, ""))})
        return
    for line in lines_of(tree, where=_where(subject, "  ")):
        say(line)


def _where(subject: Subject, before: str) -> Callable[[Ran], str]:
    """In which file and line a priority stands, if that is known."""

    def where(ran: Ran) -> str:
        line = subject.lines.get(ran.key)
        return "" if line is None else f"{before}{line}"

    return where


def _looked_at(
    settings: Settings, files: Path | None, lines: Path | None, contexts: Sequence[str]
) -> Report:
    subject = _subject(settings, files, lines)
    offices = read_offices(settings)
    walker = _walker(subject, settings)
    codes = [code for _, code in settings.agi.codes if code]
    callers = callers_of(subject, offices, settings, contexts)
    if not callers:
        _not_looked_at(f"{subject.source} names no phone; --context names where to begin")
    return Report(
        subject=subject,
        inspected=[inspect(walker, caller, codes=codes) for caller in callers],
        general=[*past_the_hook(subject.dialplan, subject.trunks())],
        remarks=[*_remarks(subject)],
    )


def _subject(settings: Settings, files: Path | None, lines: Path | None) -> Subject:
    try:
        if files is not None:
            return files_subject(files, settings)
        return running_subject(settings, lines)
    except SubjectError as error:
        _not_looked_at(str(error))
        raise  # unreachable: typer has left


def _not_looked_at(sentence: str) -> None:
    say(sentence, err=True)
    raise typer.Exit(STATUS_NOT_LOOKED_AT)


def _walker(subject: Subject, settings: Settings) -> Walker:
    app_name = "tollgate" if settings.ari is None else settings.ari.app_name
    return Walker(subject.dialplan, app_name=app_name, variables=subject.variables)


def _remarks(subject: Subject) -> Iterator[tuple[Finding, Line]]:
    for remark in subject.remarks:
        rule = rules.FILE_CANNOT_TELL if remark.is_unknown else rules.FILE_WRONG
        key = ("", str(remark.line), 0)
        finding = Finding(rule=rule, message=f"{remark.line}: {remark.why}", context="", key=key)
        yield finding, remark.line


# --- what is printed ------------------------------------------------------------------------------


def _text(report: Report) -> Iterator[str]:
    yield f"Looked at {report.subject.source}."
    for each in report.inspected:
        yield f"[{each.caller.context}] {each.caller.who}: {each.result}"
        for finding in each.findings:
            yield from _lines(finding, report.lines)
    for finding in [*report.general, *(found for found, _ in report.remarks)]:
        yield from _lines(finding, report.lines)
    results = [each.result for each in report.inspected]
    yield ", ".join(f"{results.count(result)} {result}" for result in Result)


def _lines(finding: Finding, lines: Mapping[Key, Line]) -> Iterator[str]:
    line = None if finding.key is None else lines.get(finding.key)
    where = "" if line is None or str(line) in finding.message else f" ({line})"
    yield f"  {finding.rule.level} {finding.rule.name}: {finding.message}{where}"
    yield f"    → {finding.rule.remedy}"


def _fields(report: Report) -> Mapping[str, Any]:
    return {
        "source": report.subject.source,
        "status": report.status,
        "contexts": [
            {
                "context": each.caller.context,
                "phones": list(each.caller.phones),
                "result": each.result.value,
                "findings": [_finding(found, report.lines) for found in each.findings],
            }
            for each in report.inspected
        ],
        "findings": [
            _finding(found, report.lines)
            for found in [*report.general, *(each for each, _ in report.remarks)]
        ],
    }


def _finding(finding: Finding, lines: Mapping[Key, Line]) -> Mapping[str, Any]:
    line = None if finding.key is None else lines.get(finding.key)
    return {
        "rule": finding.rule.name,
        "level": finding.rule.level.value,
        "message": finding.message,
        "remedy": finding.rule.remedy,
        "dial": finding.witness,
        "place": "" if finding.key is None else "[{}] {},{}".format(*finding.key),
        "line": "" if line is None else str(line),
        "way": [str(place) for place in finding.way],
    }
