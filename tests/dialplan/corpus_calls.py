"""Every witness of the corpus, dialled by a real phone: the carrier is the judge.

`python -m tests.dialplan.corpus_calls [NAME …]`: each dialplan is loaded into a real Asterisk
without the application, and what is named as free has to reach the carrier with the number told.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence

from dialplan.walk import rules
from dialplan.walk.inspection import Finding, inspect
from dialplan.walk.reached import Leg
from dialplan.walk.values import is_known
from lab.errors import LabError
from tests.dialplan.corpus_files import Case, caller, cases, read, walker, whole_text
from trials.witness_calls import WitnessOffice, witness_office

MODULES = (
    "bridge_softmix", "app_exec", "app_confbridge", "app_page", "app_originate", "app_read",
    "app_while", "func_groupcount", "func_db", "app_voicemail", "app_queue", "app_dial",
    "app_macro",
)  # fmt: skip
FREE = frozenset({rules.UNGATED, rules.UNGATED_AWAY})
GENERAL = "[general]\nstatic = yes\n"
BACKUP = """
[backup]
type = endpoint
transport = udp
disallow = all
allow = alaw,ulaw
aors = backup
[backup]
type = aor
contact = sip:{host}:{port}
"""


def witnesses_of(case: Case) -> Sequence[Finding]:
    """Those that a real phone can show."""
    if case.not_dialled:
        return ()
    written = read(case)
    found = inspect(walker(written), caller(case, written)).findings
    return [each for each in found if each.rule in FREE]


def contexts() -> Sequence[str]:
    return sorted({case.context for case in cases()})


async def confirm(wanted: Sequence[str]) -> tuple[int, list[str]]:
    """How many calls were placed, and which did not reach the carrier as was told."""

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    chosen = [case for case in cases() if not wanted or case.name in wanted]
    problems: list[str] = []
    placed = 0
    async with witness_office() as there:
        await _prepare(there)
        for case in chosen:
            found = witnesses_of(case)
            if found:
                await _load(there, case)
            for finding in found:
                placed += 1
                wrong = await _dialled(there, case, finding)
                say(f"{case.name}: {finding.witness}: {'; '.join(wrong) or 'as told'}")
                problems += wrong
    return placed, problems


async def _prepare(there: WitnessOffice) -> None:
    asterisk = there.office.asterisk
    host, port = there.office.carrier.trunk
    with (there.etc / "pjsip.conf").open("a", encoding="utf-8") as out:
        out.write(BACKUP.format(host=host, port=port))
    (there.etc / "confbridge.conf").write_text("[general]\n", encoding="utf-8")  # or no Page
    for module in MODULES:
        await asterisk.cli(f"module load {module}.so")
    await there.add_phones({_phone(context): context for context in contexts()})


async def _load(there: WitnessOffice, case: Case) -> None:
    file = there.etc / "extensions.conf"
    file.write_text(GENERAL + whole_text(case), encoding="utf-8")
    await there.office.asterisk.cli("dialplan reload")


def _phone(context: str) -> str:
    return f"phone-{context}"


async def _dialled(there: WitnessOffice, case: Case, finding: Finding) -> list[str]:
    try:
        reached = await there.reached(_phone(case.context), finding.witness)
    except LabError as error:
        return [f"{case.name}: {finding.witness}: {error}"]
    expected = _number_of(finding, case)
    if expected in reached or (not is_known(expected) and reached):
        return []
    return [f"{case.name}: {finding.message}; {reached} reached the carrier"]


def _number_of(finding: Finding, case: Case) -> str:
    """What the carrier is told, as the walk has it."""
    written = read(case)
    who = caller(case, written)
    legs: Iterator[Leg] = (
        leg
        for leg in walker(written).walk(who.start(finding.witness)).legs
        if who.carriers.costs(leg) and leg.way == finding.way
    )
    return next(legs).number


def main() -> None:
    placed, problems = asyncio.run(confirm(sys.argv[1:]))
    sys.stdout.write(f"{placed} witnesses dialled, {len(problems)} wrong\n")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
