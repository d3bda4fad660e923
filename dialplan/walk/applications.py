"""What each application of a dialplan does with the channel that carries it out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from dialplan.contexts import PAID, paid_extension
from dialplan.office_routes import PHONE_CONTACTS, is_ours
from dialplan.walk.known import NOT_ANSWERED
from dialplan.walk.lookup import Extension
from dialplan.walk.moves import Moves
from dialplan.walk.names import bare_name
from dialplan.walk.reached import Doubt
from dialplan.walk.states import Event, State
from dialplan.walk.targets import dial_options
from dialplan.walk.values import CACHED, UNKNOWN, is_known, split_arguments

ENDS = frozenset({"hangup", "busy", "congestion"})
# These neither place a call nor say where the dialplan goes on.
HARMLESS = frozenset(
    """
    addqueuemember amd answer authenticate bridgewait callcompletioncancel callcompletionrequest
    celgenuserevent chanisavail chanspy clearhash confbridge controlplayback dateformat datetime
    dbdel dbdeltree dumpchan echo extenspy festival forkcdr ices incrementalspy log
    logger mailboxexists meetme meetmecount milliwatt minivmgreet mixmonitor monitor morsecode
    musiconhold noop nocdr park parkandannounce parkedcall pausemonitor pausequeuemember pickup
    pickupchan playback playtones proceeding progress queuelog receivefax record removequeuemember
    resetcdr ringing sayalpha sayalphacase saycountedadj saycountednoun saydigits saymoney saynumber
    sayordinal sayphonetic saytime sayunixtime senddtmf sendfax sendimage sendtext sendurl
    setamaflags setcallerpres softhangup spy startmusiconhold stopmixmonitor stopmonitor
    stopmusiconhold stopplaytones tonedetect transfer unpausemonitor
    unpausequeuemember userevent verbose vmauthenticate voicemailmain wait waitdigit waitforcond
    waitfornoise waitforring waitforsilence waitmusiconhold waituntil zapateller
    """.split()  # noqa: SIM905 - a hundred words read better than a hundred strings
)
# These let the caller dial on, in the context where they stand or in one that they name.
HEARS_DIGITS = frozenset({"background", "backgrounddetect", "waitexten", "voicemail"})
HANGUP_HANDLERS = frozenset({"channel(hangup_handler_push)", "channel(hangup_handler_wipe)"})
BRANCHES = frozenset({"while", "endwhile", "exitwhile", "continuewhile"})
CONDITIONS = frozenset({"if", "elseif", "else", "endif", "exitif"})


Handler = Callable[[Moves, State, str, Extension], Iterator[Event]]


def carried_out(
    moves: Moves, state: State, application: str, data: str, extension: Extension
) -> Iterator[Event]:
    """Everything that may come of it; `data` is what it is given, variables put in."""
    handler = _HANDLERS.get(application.lower())
    if handler is not None:
        return handler(moves, state, data, extension)
    return _unfollowed(state, application)


def _unfollowed(state: State, application: str) -> Iterator[Event]:
    if not is_ours(state.context):
        yield Doubt(state.place, f"what {application} does cannot be followed")
    yield state.next()


def _goes_on(_moves: Moves, state: State, _data: str, _extension: Extension) -> Iterator[Event]:
    yield state.next()


def _ends(moves: Moves, state: State, _data: str, _extension: Extension) -> Iterator[Event]:
    return moves.hung_up(state)


def _goto(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    yield from moves.target(state, data)


def _goto_if(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    condition, _, targets = data.partition("?")
    for target in moves.branches(condition, targets):
        yield from moves.target(state, target) if target else (state.next(),)


def _goto_if_time(moves: Moves, state: State, data: str, extension: Extension) -> Iterator[Event]:
    yield from _goto_if(moves, state, f"{UNKNOWN}?{data.partition('?')[2]}", extension)


def _gosub(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    yield from moves.called(state, data, back_to=state.priority + 1)


def _gosub_if(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    condition, _, targets = data.partition("?")
    for target in moves.branches(condition, targets):
        back_to = state.priority + 1
        yield from moves.called(state, target, back_to=back_to) if target else (state.next(),)


def _macro(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    name, *arguments = split_arguments(data)
    text = f"macro-{name},s,1({','.join(arguments)})"
    inside = state.with_variable("MACRO_EXTEN", state.extension)
    inside = inside.with_variable("MACRO_CONTEXT", state.context)
    yield from moves.called(inside, text, back_to=state.priority + 1)


def _return(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    if not state.stack:
        yield from moves.hung_up(state)  # "Return without Gosub"
        return
    *rest, frame = state.stack
    back = state.at(frame.context, frame.extension, frame.priority)
    back = back.inside(tuple(rest), frame.arguments)
    if state.context == PHONE_CONTACTS:  # nothing, or the phone: docs/adr/0013-legs-to-phones.md
        yield back.with_variable("GOSUB_RETVAL", "")
        yield back.with_variable("GOSUB_RETVAL", f"PJSIP/{state.get('ARG1') or UNKNOWN}")
    else:
        yield back.with_variable("GOSUB_RETVAL", data)


def _stack_pop(_moves: Moves, state: State, _data: str, _extension: Extension) -> Iterator[Event]:
    yield state.next().inside(state.stack[:-1], state.arguments)


def _set(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    yield from _assigned(moves, state, [data])


def _set_several(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    yield from _assigned(moves, state, split_arguments(data))


def _assigned(moves: Moves, state: State, assignments: Sequence[str]) -> Iterator[Event]:
    changed = state
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        to = _assigned_to(name)
        match to.kind:
            case _Kind.HANGUP_HANDLER:
                for each in moves.target(state, value.partition("(")[0]):
                    if isinstance(each, State):
                        yield each._replace(hung_up=True, stack=())
                    else:
                        yield each
            case _Kind.ARRAY:
                changed = _array_unknown(changed, name)
            case _Kind.TIME_LIMIT if value.strip() not in {"", "0"}:
                if moves.known.anything_happens and moves.known.dialplan.exists(state.context, "T"):
                    yield state.at(state.context, "T", 1)
        if found and to.variable and moves.known.is_read(to.variable):
            text = value.strip().removeprefix('"').removesuffix('"')
            changed = changed.with_variable(to.variable, text)
            if to.is_inherited:
                changed = changed._replace(inherited=changed.inherited | {to.variable})
    yield changed.next()


def _array_unknown(state: State, name: str) -> State:
    """`ARRAY(one,two)`, of which nothing is known."""
    for variable in split_arguments(name.partition("(")[2].rpartition(")")[0]):
        state = state.with_variable(variable.strip(), UNKNOWN)
    return state


class _Kind(Enum):
    """What is set."""

    VARIABLE = auto()
    ARRAY = auto()
    HANGUP_HANDLER = auto()
    TIME_LIMIT = auto()


class _AssignedTo(NamedTuple):
    kind: _Kind
    variable: str  # empty where what is set is none
    is_inherited: bool


@lru_cache(CACHED)
def _assigned_to(name: str) -> _AssignedTo:
    stripped = name.strip()
    kind = _Kind.VARIABLE
    if stripped.lower() in HANGUP_HANDLERS:
        kind = _Kind.HANGUP_HANDLER
    elif stripped.upper().startswith("ARRAY("):
        kind = _Kind.ARRAY
    elif stripped.upper() == "TIMEOUT(ABSOLUTE)":
        kind = _Kind.TIME_LIMIT
    return _AssignedTo(kind, bare_name(name), stripped.startswith("_"))


def _read(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    """The caller's digits, which may be the number that is walked."""
    moves.hear(state, state.context)
    yield state.with_variable(split_arguments(data)[0], UNKNOWN).next()


def _exec_if(moves: Moves, state: State, data: str, extension: Extension) -> Iterator[Event]:
    condition, _, branches = data.partition("?")
    parts = split_arguments(branches, ":")
    then, otherwise = parts[0], ":".join(parts[1:])
    for text in moves.branches(condition, "0:1"):
        chosen = then if text == "0" else otherwise
        yield from _executed(moves, state, chosen, extension)


def _exec(moves: Moves, state: State, data: str, extension: Extension) -> Iterator[Event]:
    yield from _executed(moves, state, data, extension)


def _executed(moves: Moves, state: State, text: str, extension: Extension) -> Iterator[Event]:
    application, _, data = text.strip().partition("(")
    if not application:
        yield state.next()
    elif not is_known(application):
        yield Doubt(state.place, "which application is run only a call decides")
    else:
        yield from carried_out(moves, state, application, data.rpartition(")")[0], extension)


def _loop(_moves: Moves, state: State, _data: str, extension: Extension) -> Iterator[Event]:
    """Whatever a loop decides: on, back to its beginning, or past its end."""
    yield state.next()
    for step in extension.steps:
        name = step.application.lower()
        if name in BRANCHES or name in CONDITIONS:
            yield state.at(state.context, state.extension, step.number + 1)
        if name == "while":
            yield state.at(state.context, state.extension, step.number)


def _stasis(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    name = split_arguments(data)[0]
    if name == moves.known.app_name:
        yield state.place
        if moves.start.paid_ms:
            there = paid_extension(moves.digits.lstrip("+"), moves.start.paid_ms)
            yield state.at(PAID, there, 1)._replace(authorised=True)
        away = state.with_variable("STASISSTATUS", "FAILED").next()
        yield away._replace(application_away=True)
    else:
        yield Doubt(state.place, f"what the application {name} does cannot be followed")
        yield state.with_variable("STASISSTATUS", UNKNOWN).next()


def _dial(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    arguments = [*split_arguments(data), "", "", ""]
    options = dial_options(arguments[2])
    yield from moves.rung(state, arguments[0], options)
    yield from _beside(moves, state, options)
    answered = ("ANSWER",) if "g" in options and moves.known.anything_happens else ()
    if moves.known.anything_happens:
        yield from moves.hung_up(state)
    is_local = "local/" in arguments[0].lower()  # which ends as what is behind it ends
    ends = NOT_ANSWERED if is_local else moves.known.not_answered
    for status in (*ends, *answered):
        yield state.with_variable("DIALSTATUS", status).next()


def _beside(moves: Moves, state: State, options: Mapping[str, str]) -> Iterator[Event]:
    """What options of Dial start on either channel."""
    for option in "UbB":
        if option in options:
            where = _subroutine(options[option], has_arguments=option == "U")
            for inside in moves.called(state, where, back_to=0):
                if isinstance(inside, State):
                    yield inside.inside((), inside.arguments)
                else:
                    yield inside
    for option in "GF":
        target = options.get(option, "").replace("^", ",")
        if target:
            yield from moves.target(state, target)
            if option == "G":
                for each in moves.target(state, target):
                    yield each if isinstance(each, Doubt) else each.next()
        elif option == "F" and option in options:
            yield state.next()


def _subroutine(text: str, *, has_arguments: bool) -> str:
    """`U(context^argument)`, or `b(context^s^1(argument))`, as Gosub has it."""
    if not has_arguments:
        return text.replace("^", ",")
    context, *arguments = text.split("^")
    return f"{context},s,1({','.join(arguments)})"


def _retry_dial(moves: Moves, state: State, data: str, extension: Extension) -> Iterator[Event]:
    yield from _dial(moves, state, ",".join(split_arguments(data)[3:]), extension)


def _page(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    yield from moves.rung(state, split_arguments(data)[0], {})
    yield state.next()


def _originate(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    whom, kind, first, second, third = [*split_arguments(data), "", "", "", "", ""][:5]
    yield from moves.rung(state, whom, {})
    if kind.strip().lower() == "exten":
        yield from moves.entered(state, first, second or "s", priority=third or "1")
    else:
        yield Doubt(state.place, f"what Originate starts with {first} cannot be followed")
    yield state.next()


def _dial_on(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    """The caller may dial on: the number that is walked, for one."""
    arguments = [*split_arguments(data), "", "", "", ""]
    moves.hear(state, arguments[3] or state.context)
    yield state.at(arguments[3] or state.context, moves.digits, 1)
    for escape in ("t", "i", "o", "a"):
        if moves.known.dialplan.exists(state.context, escape):
            yield state.at(state.context, escape, 1)
    yield state.next()


def _disa(moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    context = [*split_arguments(data), ""][1] or "disa"
    moves.hear(state, context)
    yield state.at(context, moves.digits, 1)


def _agi(_moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    if not is_ours(state.context):
        yield Doubt(state.place, f"what the script {split_arguments(data)[0]} does is not known")
    yield state.with_variable("AGISTATUS", UNKNOWN).next()


def _system(_moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    yield Doubt(state.place, f"what the command {data.partition(' ')[0]} does is not known")
    yield state.with_variable("SYSTEMSTATUS", UNKNOWN).next()


def _queue(_moves: Moves, state: State, data: str, _extension: Extension) -> Iterator[Event]:
    yield Doubt(state.place, f"the members of the queue {split_arguments(data)[0]} are not known")
    yield state.next()


_HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(HARMLESS, _goes_on),
    **dict.fromkeys(ENDS, _ends),
    "goto": _goto,
    "gotoif": _goto_if,
    "gotoiftime": _goto_if_time,
    "gosub": _gosub,
    "gosubif": _gosub_if,
    "macro": _macro,
    "macroexit": _return,
    "return": _return,
    "stackpop": _stack_pop,
    "set": _set,
    "mset": _set_several,
    "read": _read,
    "readexten": _read,
    "exec": _exec,
    "tryexec": _exec,
    "execif": _exec_if,
    **dict.fromkeys(BRANCHES | CONDITIONS, _loop),
    "stasis": _stasis,
    "dial": _dial,
    "retrydial": _retry_dial,
    "page": _page,
    "originate": _originate,
    **dict.fromkeys(HEARS_DIGITS, _dial_on),
    "disa": _disa,
    **dict.fromkeys(("agi", "eagi", "deadagi"), _agi),
    "queue": _queue,
    **dict.fromkeys(("system", "trysystem"), _system),
}
