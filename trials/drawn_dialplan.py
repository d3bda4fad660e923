"""Office dialplans as people write them, drawn at random around ours.

Extensions that end early or begin late, includes in every order, patterns that overlap, own Dials.
No way in them leads back to where it was, for Asterisk would follow it for ever.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OWN = ("office", "int", "out", "extra", "sub")  # what goes on, goes on further to the right
OURS = (
    *("tollgate", "tollgate-emergency", "tollgate-free", "tollgate-outbound", "tollgate-unknown"),
    *("tollgate.main", "tollgate-phones.main", "tollgate-outbound.main"),
)
EXACT = ("101", "105", "112", "600", "999", "*98", "0033612345678", "out", "i", "0900123456")
PATTERNS = (
    "_X.", "_X!", "_.", "_0.", "_0X.", "_00.", "_00X!", "_003X.", "_9.", "_90X.", "_1XX", "_NXX",
    "_10[1-5]", "_[0-4]XX", "_Z.", "_0[1-9]XXXXXXXXX", "_0ZXXX!", "_+X.", "_11[0-9]", "_9-9-X",
    "_[+0]X.",
)  # fmt: skip
DIALLED = (
    "0033612345678", "0033142685300", "02079460000", "07700900123", "0900123456", "101", "105",
    "00882123456789", "90033612345678", "902079460000", "112", "999", "600", "201", "*98", "out",
    "08081570192", "+33612345678", "1-0-1",
)  # fmt: skip
PRIORITIES_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    name: str  # in front of each of its contexts
    text: str

    @property
    def context(self) -> str:
        return f"{self.name}-{OWN[0]}"


def draw(name: str, chance: random.Random, *, trunk: str) -> Drawn:
    lines = list(_contexts(name, chance, trunk))
    return Drawn(name=name, text="\n".join([*lines, ""]))


def _contexts(name: str, chance: random.Random, trunk: str) -> Iterator[str]:
    for rank, own in enumerate(OWN[:-1]):
        yield f"[{name}-{own}]"
        yield from _includes(name, rank, chance)
        for extension in _extensions(chance):
            yield from _extension(name, rank, extension, chance, trunk)
    yield f"[{name}-gate]"  # a channel's name says by its context which dialplan it is of
    yield "include => tollgate"
    yield f"[{name}-{OWN[-1]}]"
    yield f"exten => s,1,Dial(PJSIP/${{ARG1}}@{trunk},1)"
    yield "exten => s,2,Return()"


def _includes(name: str, rank: int, chance: random.Random) -> Iterator[str]:
    own = [f"{name}-{other}" for other in OWN[rank + 1 : -1]]
    wanted = [each for each in (*own, *OURS) if chance.random() < (0.6 if each in own else 0.3)]
    chance.shuffle(wanted)
    yield from (f"include => {context}" for context in wanted)


def _extensions(chance: random.Random) -> Sequence[str]:
    exact = chance.sample(EXACT, chance.randint(0, 3))
    return [*exact, *chance.sample(PATTERNS, chance.randint(0, 3))]


def _extension(
    name: str, rank: int, extension: str, chance: random.Random, trunk: str
) -> Iterator[str]:
    first = chance.choices((1, 2, 3), (8, 1, 1))[0]
    for priority in range(first, first + chance.randint(1, 3)):
        application = _application(name, rank, priority, chance, trunk)
        label = f"(p{priority})" if chance.random() < 0.3 else ""  # noqa: PLR2004 - a third of them
        yield f"exten => {extension},{priority}{label},{application}"


def _application(name: str, rank: int, priority: int, chance: random.Random, trunk: str) -> str:
    target = chance.choice([*(f"{name}-{other}" for other in OWN[rank + 1 : -1]), f"{name}-gate"])
    label = f"p{chance.randint(priority + 1, PRIORITIES_MAX + 1)}"  # which may not exist
    choices = (
        "NoOp(hello)",
        "Set(OUT=${EXTEN:1})",
        "Set(__KIND=paid)",
        "Hangup()",
        f"Dial(PJSIP/${{EXTEN}}@{trunk},1)",
        f"Dial(PJSIP/${{EXTEN:1}}@{trunk},1,g)",
        f"Dial(PJSIP/${{OUT}}@{trunk},1)",
        f"Dial(PJSIP/0033699999999@{trunk},1)",
        f"Goto({target},${{EXTEN}},1)",
        f"Goto({target},${{OUT}},1)",
        f"Gosub({name}-sub,s,1(${{EXTEN}}))",
        f"GotoIf($[${{LEN(${{EXTEN}})}} > 4]?{target},${{EXTEN}},1)",
        f'GotoIf($["${{EXTEN:0:2}}" = "00"]?{target},${{EXTEN:1}},1:{label})',
        f'GotoIf($["${{DIALSTATUS}}" = "CHANUNAVAIL"]?{label})',
        f'ExecIf($["${{KIND}}" = "paid"]?Dial(PJSIP/${{EXTEN}}@{trunk},1))',
        "ExecIf($[${LEN(${OUT})} = 0]?Set(OUT=${EXTEN}):NoOp())",
        f"Dial(Local/${{EXTEN}}@{target}/n,1)",
        f"Goto({label})",
    )
    return chance.choice(choices)
