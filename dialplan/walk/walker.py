"""Where a number can get to: every way through the dialplan, without calling anybody.

What only a call decides is walked both ways. What cannot be followed (a script, another engine) is
a doubt with its place, never silence: nothing is said to be closed that was not walked to its end.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from dialplan.contexts import PAID, paid_extension
from dialplan.office_routes import PHONE_CONTACTS, is_ours
from dialplan.walk import values
from dialplan.walk.lookup import Dialplan, Extension, Found, Switched
from dialplan.walk.targets import Target, target_of
from dialplan.walk.values import UNKNOWN, is_known, split_arguments, truth

STATES_MAX = 20_000  # of one walk; then the rest is a doubt
VISITS_MAX = 40  # of one place, with ever other variables: a loop that counts
VALUES_MAX = 10  # of one variable at one place; more, and it is one that counts
FORGETS_ALL = 10 * VISITS_MAX
ENDS = frozenset({"hangup", "busy", "congestion"})
NOT_ANSWERED = ("CHANUNAVAIL", "CONGESTION", "BUSY", "NOANSWER")
KEPT = frozenset({"DIALSTATUS", "STASISSTATUS", "TOLLGATE_PAYER"})
NOT_SET_YET = frozenset({"DIALSTATUS", "STASISSTATUS"})

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
# What a walk notes of the priorities that it goes through, for whoever asks what a phone may do.
WATCHED = frozenset(
    {
        *("dial", "retrydial", "disa", "park", "parkandannounce", "parkedcall"),
        *("chanspy", "extenspy", "spy", "incrementalspy"),
    }
)
BRANCHES = frozenset({"while", "endwhile", "exitwhile", "continuewhile"})
CONDITIONS = frozenset({"if", "elseif", "else", "endif", "exitif"})


@dataclass(frozen=True, slots=True)
class Place:
    context: str
    extension: str
    priority: int

    def __str__(self) -> str:
        return f"[{self.context}] {self.extension},{self.priority}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A Dial that was reached: whom it rings, with what options."""

    place: Place
    technology: str  # PJSIP
    endpoint: str  # trunk
    number: str  # as the endpoint is told it; empty: the endpoint itself is rung
    options: Mapping[str, str] = field(hash=False)
    without_application: bool  # after Stasis said that the application is away
    after_an_answer: bool  # of an earlier leg of this channel
    authorised: bool = False  # the application was asked before, and sent the caller on
    way: tuple[Place, ...] = field(hash=False, compare=False)

    @property
    def resource(self) -> str:
        middle = f"{self.number}@{self.endpoint}" if self.number else self.endpoint
        return f"{self.technology}/{middle}"


@dataclass(frozen=True, slots=True)
class Doubt:
    place: Place
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A priority that is carried out: where it is written, and what it then does."""

    place: Place
    context: str
    extension: str  # as written: `_9X.`
    application: str
    data: str

    @property
    def key(self) -> tuple[str, str, int]:
        return self.context, self.extension, self.place.priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """Everything that one number can reach."""

    places: frozenset[Place]
    places_hung_up: frozenset[Place]  # where it may get to after the caller has hung up
    legs: tuple[Leg, ...]
    asked: tuple[Place, ...]  # where the application is asked
    phones: frozenset[str]  # whose Contacts are looked up, to be rung
    doubts: tuple[Doubt, ...]
    ran: tuple[Ran, ...] = ()  # of the applications that are watched
    hears: frozenset[tuple[str, str, int]] = frozenset()  # see _Walk.hear


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A channel that enters the dialplan."""

    context: str
    dialled: str
    digits: str = ""  # that the caller dials on where a menu lets him; empty: the same number
    endpoint: str = ""
    priority: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    by_invite: bool = True  # then an extension that does not exist is a 404, and never `i`
    paid_ms: int = 0  # what the application allows when it is asked; 0: it is not waited for


Variables = frozenset[tuple[str, str]]
_GLOBAL = re.compile(r"GLOBAL\((?P<name>\w+)\)", re.IGNORECASE)
_READ = re.compile(r"[A-Za-z_~][\w~]*")
_PUT_TOGETHER = re.compile(r"\$\{(\w*)(?=\$)")  # of `${OUT_${N}}`: OUT_
_SET_INSIDE = re.compile(r"\bM?Set\(((?:GLOBAL|LOCAL)?\(?\w+\)?)=", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where Gosub goes back to, with the arguments that were in force there."""

    context: str
    extension: str
    priority: int
    arguments: Variables


@dataclass(frozen=True, kw_only=True)
class _State:
    context: str
    extension: str
    priority: int
    variables: Variables
    inherited: frozenset[str] = frozenset()
    stack: tuple[_Frame, ...] = ()
    application_away: bool = False
    authorised: bool = False
    hung_up: bool = False  # only what `h` says is left to do

    @cached_property
    def place(self) -> Place:
        return Place(self.context, self.extension, self.priority)

    def next(self) -> "_State":
        return self.at(self.context, self.extension, self.priority + 1)

    def at(self, context: str, extension: str, priority: int) -> "_State":
        return _State(  # what `replace` does, in a third of its time
            context=context,
            extension=extension,
            priority=priority,
            variables=self.variables,
            inherited=self.inherited,
            stack=self.stack,
            application_away=self.application_away,
            authorised=self.authorised,
            hung_up=self.hung_up,
        )

    @cached_property
    def _known(self) -> Mapping[str, str]:
        return dict(self.variables)

    def get(self, name: str) -> str | None:
        return self._known.get(name)

    def with_variables(self, **changes: str) -> "_State":
        known = self._known
        if all(known.get(name) == value for name, value in changes.items()):
            return self
        return replace(self, variables=frozenset({**known, **changes}.items()))


Taken = tuple[tuple[Ran, ...], tuple[Any, ...]]  # what was carried out, and what came of it
_Event = _State | Leg | Doubt | Place  # a Place: the application is asked there
_Handler = Callable[["_Walk", _State, str, Extension], Iterator[_Event]]


class _Everything(frozenset[str]):
    """Every name."""

    def __contains__(self, _name: object) -> bool:
        return True


class Walker:
    """Walks one dialplan, from as many starts as are wanted."""

    def __init__(
        self,
        dialplan: Dialplan,
        *,
        app_name: str = "tollgate",
        variables: Mapping[str, str] | None = None,
        not_answered: Sequence[str] = NOT_ANSWERED,
        anything_happens: bool = True,
    ) -> None:
        """Take what is known beside the text.

        Args:
            dialplan: what is walked.
            app_name: of our application, in Stasis.
            variables: the global ones, as Asterisk has them.
            not_answered: the DIALSTATUS that a leg may end with that nobody answered.
            anything_happens: the caller may hang up, a leg be answered, a time limit fall due.
        """
        self.dialplan = dialplan
        self.app_name = app_name
        self.variables = variables or {}
        self.not_answered = tuple(not_answered)
        self.anything_happens = anything_happens
        self.names_set = names_set(dialplan)
        self.changing = globals_set(dialplan)
        self._names_read, self._beginnings_read = names_read(dialplan)
        self.names_wanted: set[str] = set()  # global variables, perhaps, of which nothing is known

    def is_read(self, name: str) -> bool:
        """A variable that nobody reads makes no difference, and is not kept."""
        return name in self._names_read or name.startswith(self._beginnings_read)

    def walk(self, start: Start) -> Walked:
        """Follow one number from one context, until every way has ended."""
        return _Walk(self, start).walked()

    def recorded(self, start: Start) -> tuple[Any, Mapping[Any, "Taken"]]:
        """The first state, and what each state that was reached leads to: for a trace."""
        walk = _Walk(self, start, recording=True)
        walk.walked()
        return walk.first, walk.taken()


class _Walk:
    def __init__(self, walker: Walker, start: Start, *, recording: bool = False) -> None:
        self._recording = recording
        self.walker = walker
        self.dialplan = walker.dialplan
        self.start = start
        self.digits = start.digits or start.dialled
        self._parents: dict[_State, _State | None] = {}
        self._visits: dict[Place, int] = {}
        self._ran: dict[Ran, None] = {}
        self.hears: set[tuple[str, str, int]] = set()
        self._changing: dict[Place, Collection[str]] = {}
        self._leads: dict[_State, list[_Event]] = {}
        self._ran_by: dict[_State, list[Ran]] = {}
        self._at: _State | None = None

    @property
    def first(self) -> _State:
        return _State(
            context=self.start.context,
            extension=self.start.dialled,
            priority=self.start.priority,
            variables=frozenset(self.start.variables.items()),
        )

    def taken(self) -> Mapping[Any, Taken]:
        return {
            state: (tuple(self._ran_by.get(state, ())), tuple(events))
            for state, events in self._leads.items()
        }

    def walked(self) -> Walked:
        first = self.first
        self._parents[first] = None
        begins = not self.start.by_invite or self.dialplan.exists(first.context, first.extension)
        waiting = [first] if begins else []
        legs: dict[Leg, None] = {}
        asked: dict[Place, None] = {}
        phones: set[str] = set()
        doubts: dict[str, Doubt] = {}  # one of each kind is enough to look at
        while waiting:
            state = waiting.pop()
            if len(self._parents) > STATES_MAX:
                why = f"more than {STATES_MAX} ways lead on from here"
                doubts[why] = Doubt(state.place, why)
                break
            if state.context == PHONE_CONTACTS and state.priority == 1:
                phones.add(state.get("ARG1") or "")
            leads: list[_Event] = []
            if self._recording:
                self._leads[state] = leads
            for event in self._events(state):
                leads.append(event)
                if isinstance(event, Leg):
                    legs[event] = None
                elif isinstance(event, Doubt):
                    doubts.setdefault(event.why, event)
                elif isinstance(event, Place):
                    asked[event] = None
                else:
                    reached = leads[-1] = self._bounded(event)
                    if reached not in self._parents:
                        self._parents[reached] = state
                        waiting.append(reached)
        return Walked(
            places=frozenset(each.place for each in self._parents if not each.hung_up),
            places_hung_up=frozenset(each.place for each in self._parents if each.hung_up),
            legs=tuple(legs),
            asked=tuple(asked),
            phones=frozenset(filter(is_known, phones)),
            doubts=tuple(doubts.values()),
            ran=tuple(self._ran),
            hears=frozenset(self.hears),
        )

    def hear(self, state: _State, context: str) -> None:
        """Note in which context digits are looked up that are not the number walked, and where."""
        self.hears.add((context, state.context, state.priority))

    def way_to(self, state: _State | None) -> tuple[Place, ...]:
        places: list[Place] = []
        at = state
        while at is not None:
            places.append(at.place)
            at = self._parents.get(at)
        return tuple(reversed(places))

    def _bounded(self, state: _State) -> _State:
        """Of a loop that counts, the counter is forgotten: then it is known that it ends."""
        if state in self._parents:
            return state
        visits = self._visits[state.place] = self._visits.get(state.place, 0) + 1
        if visits <= VISITS_MAX:
            return state
        changing = self._changing_at(state.place, visits)
        forgotten = ((name, UNKNOWN if name in changing else v) for name, v in state.variables)
        return replace(state, variables=frozenset(forgotten), stack=state.stack[:VISITS_MAX])

    def _changing_at(self, place: Place, visits: int) -> Collection[str]:
        """What has had many values there; where that does not end it, every variable."""
        if visits > FORGETS_ALL:
            return _Everything()
        if place not in self._changing:
            values: dict[str, set[str]] = {}
            for state in self._parents:
                if state.place == place:
                    for name, value in state.variables:
                        values.setdefault(name, set()).add(value)
            self._changing[place] = {n for n, seen in values.items() if len(seen) > VALUES_MAX}
        return self._changing[place]

    def _events(self, state: _State) -> Iterator[_Event]:
        outcomes = self.dialplan.find(state.context, state.extension, state.priority)
        for outcome in outcomes:
            match outcome:
                case Switched(context, switch):
                    yield Doubt(state.place, f"[{context}] asks the switch {switch}")
                case Found(_, extension, step):
                    data, after = self.expanded(state, step.data)
                    self._at = state
                    if self._recording or step.application.lower() in WATCHED:
                        self._note(state, outcome, data)
                    yield from self.carried_out(after, step.application, data, extension)
        if not outcomes:
            yield from self._nowhere(state)

    def _note(self, state: _State, found: Found, data: str) -> None:
        ran = Ran(
            place=state.place,
            context=found.context,
            extension=found.extension.name,
            application=found.step.application,
            data=data,
        )
        self._ran[ran] = None
        if self._recording:
            self._ran_by.setdefault(state, []).append(ran)

    def _nowhere(self, state: _State) -> Iterator[_State]:
        """An extension that ended is hung up; one that never was is `i`, then `e`."""
        handlers = [
            handler for handler in ("i", "e") if self.dialplan.exists(state.context, handler)
        ]
        if state.hung_up or self.dialplan.exists(state.context, state.extension) or not handlers:
            yield from self.hung_up(state)
        else:
            yield state.at(state.context, handlers[0], 1)

    def hung_up(self, state: _State) -> Iterator[_State]:
        """Then `h` is run, which a pattern as wide as `_.` matches."""
        if not state.hung_up and self.dialplan.exists(state.context, "h"):
            yield replace(state.at(state.context, "h", 1), hung_up=True, stack=())

    def carried_out(
        self, state: _State, application: str, data: str, extension: Extension
    ) -> Iterator[_Event]:
        name = application.lower()
        if name in ENDS:
            yield from self.hung_up(state)
            return
        handler = _HANDLERS.get(name)
        if handler is not None:
            yield from handler(self, state, data, extension)
            return
        if name not in HARMLESS and not is_ours(state.context):
            yield Doubt(state.place, f"what {application} does cannot be followed")
        yield state.next()

    # --- variables -------------------------------------------------------------------------------

    def expanded(self, state: _State, text: str) -> tuple[str, _State]:
        """What the text is when it is carried out, and what `${SET(name=value)}` in it has set."""
        if "$" not in text:
            return text, state
        changed = [state]

        def variable(name: str) -> str:
            return self._variable(changed[0], name)

        def set_inline(given: Sequence[str]) -> str:
            name, _, value = ",".join(given).partition("=")
            changed[0] = changed[0].with_variables(**{name.strip(): value})
            return value

        functions = {
            "SET": set_inline,
            "REPLACE": lambda given: values.replaced(variable(given[0]), given[1:]),
            "STRREPLACE": lambda given: values.string_replaced(variable(given[0]), given[1:]),
            "LEN": values.known_only(values.length_of),
            "FILTER": values.known_only(values.filtered),
            "IF": values.chosen,
            "REGEX": values.known_only(values.matches),
            "TOUPPER": values.known_only(lambda given: ",".join(given).upper()),
            "TOLOWER": values.known_only(lambda given: ",".join(given).lower()),
            "ISNULL": values.known_only(lambda given: str(int(not ",".join(given)))),
            "EXISTS": values.known_only(lambda given: str(int(bool(",".join(given))))),
            "GLOBAL": lambda given: self._global(given[0]),
            "CHANNEL": lambda given: self.start.endpoint if given == ["endpoint"] else UNKNOWN,
            "LOCAL_PEEK": lambda given: _peeked(changed[0], given),
            "CUT": lambda given: self._cut(changed[0], given),
            "FIELDQTY": lambda given: values.field_count(variable(given[0]), given[1]),
            "DIALPLAN_EXISTS": values.known_only(self._exists),
        }
        return values.expand(text, variable, functions), changed[0]

    def _variable(self, state: _State, name: str) -> str:
        """Set on the way here, or for all channels, or by Asterisk; else nobody set it."""
        written = {
            "EXTEN": state.extension,
            "CONTEXT": state.context,
            "PRIORITY": str(state.priority),
            "UNIQUEID": "tollgate-1.1",
            "LINKEDID": "tollgate-1.1",
        }
        if name in written:
            return written[name]
        known = state.get(name)
        if known is not None:
            return known
        if name in self.walker.variables or name in self.walker.changing:
            return self._global(name)
        self.walker.names_wanted.add(name)
        # What the dialplan sets is its own: before that, nobody has set it.
        return "" if name in self.walker.names_set or name in NOT_SET_YET else UNKNOWN

    def _global(self, name: str) -> str:
        """What some priority changes for all channels is not what it is now."""
        if name in self.walker.changing:
            return UNKNOWN
        self.walker.names_wanted.add(name)
        return self.walker.variables.get(name, "")

    def _cut(self, state: _State, given: Sequence[str]) -> str:
        name, delimiter, fields = (*given, "", "", "")[:3]
        return values.cut(self._variable(state, name), delimiter, fields)

    def _exists(self, given: Sequence[str]) -> str:
        context, extension, priority = (*given, "", "", "1")[:3]
        wanted = int(priority) if priority.isdigit() else priority or 1
        return str(int(self.dialplan.exists(context, extension, wanted)))

    # --- going somewhere -------------------------------------------------------------------------

    def target(self, state: _State, text: str) -> Iterator[_State | Doubt]:
        """What `Goto` and its like name: `[[context,]extension,]priority`, a number or a label."""
        parts = [part.strip() for part in split_arguments(text)]
        context, extension = state.context, state.extension
        if len(parts) > 1:
            extension = parts[-2] or extension
        if len(parts) > 2:  # noqa: PLR2004 - context, extension, priority
            context = parts[-3] or context
        yield from self.aim(state, context, extension, parts[-1])

    def aim(
        self, state: _State, context: str, extension: str, priority: str
    ) -> Iterator[_State | Doubt]:
        if extension == UNKNOWN:
            self.hear(state, context)
            extension = self.digits  # whatever it may be, it may be the number walked
        if not (is_known(context) and is_known(extension) and is_known(priority)):
            yield Doubt(state.place, "where it goes on depends on what only a call decides")
        elif priority.lstrip("+-").isdigit():
            base = state.priority if priority[0] in "+-" else 0
            yield state.at(context, extension, base + int(priority))
        else:
            outcomes = self.dialplan.find(context, extension, priority)
            if not outcomes:
                yield from self.hung_up(state)  # "must be a number > 0, or valid label"
            for outcome in outcomes:
                if isinstance(outcome, Found):
                    yield state.at(context, extension, outcome.step.number)
                else:
                    yield Doubt(state.place, f"[{outcome.context}] asks a switch for {priority}")

    def branches(self, condition: str, text: str) -> tuple[str, ...]:
        """The targets that a condition allows, of `then:otherwise`; empty: the next priority."""
        then, _, otherwise = text.partition(":")
        match truth(condition):
            case None:
                return (then.strip(), otherwise.strip())
            case decided:
                return ((then if decided else otherwise).strip(),)

    def called(self, state: _State, text: str, *, back_to: int) -> Iterator[_State | Doubt]:
        """Gosub: `[[context,]extension,]priority[(arguments)]`."""
        where, _, given = text.partition("(")
        arguments = split_arguments(given.rpartition(")")[0]) if given else []
        for target in self.target(state, where.rstrip(", ")):
            if isinstance(target, Doubt):
                yield target
                continue
            frame = _Frame(
                context=state.context,
                extension=state.extension,
                priority=back_to,
                arguments=_arguments(state.variables),
            )
            named = {f"ARG{n}": value for n, value in enumerate(arguments, 1)}
            empty = {name: "" for name, _ in _arguments(state.variables)}
            inside = target.with_variables(**{"ARG1": "", **empty, **named})
            yield replace(inside, stack=(*state.stack, frame))

    def entered(
        self, state: _State, context: str, extension: str, *, priority: str = "1"
    ) -> Iterator[_State | Doubt]:
        """Another channel begins there: of variables it has those that are handed down."""
        inherited = frozenset(each for each in state.variables if each[0] in state.inherited)
        child = replace(state, variables=inherited, stack=())
        yield from self.aim(child, context, extension, priority)

    def rung(self, state: _State, targets: str, options: Mapping[str, str]) -> Iterator[_Event]:
        for text in targets.split("&"):
            target = target_of(text)
            if target is None or not is_known(target.technology):
                yield Doubt(state.place, "whom it rings depends on what only a call decides")
            elif target.technology.lower() == "local":
                extension, _, context = text.strip().partition("/")[2].partition("@")
                yield from self._local(state, context.partition("/")[0] or "default", extension)
            else:
                yield from self._leg(state, target, options)

    def _local(self, state: _State, context: str, extension: str) -> Iterator[_State | Doubt]:
        """A channel of ours again; where there is no such extension, none is made."""
        for each in self.entered(state, context, extension):
            if isinstance(each, Doubt) or self.dialplan.exists(each.context, each.extension):
                yield each

    def _leg(self, state: _State, target: Target, options: Mapping[str, str]) -> Iterator[_Event]:
        if state.hung_up:
            return  # "Caller hung up before dial": nothing is sent
        if not is_known(target.endpoint):
            yield Doubt(state.place, "whom it rings depends on what only a call decides")
            return
        yield Leg(
            place=state.place,
            technology=target.technology,
            endpoint=target.endpoint,
            number=target.number,
            options=options,
            without_application=state.application_away,
            after_an_answer=state.get("DIALSTATUS") == "ANSWER",
            authorised=state.authorised,
            way=self.way_to(self._at),
        )


# --- applications ---------------------------------------------------------------------------------


def _goto(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    yield from walk.target(state, data)


def _goto_if(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    condition, _, targets = data.partition("?")
    for target in walk.branches(condition, targets):
        yield from walk.target(state, target) if target else (state.next(),)


def _goto_if_time(walk: _Walk, state: _State, data: str, extension: Extension) -> Iterator[_Event]:
    yield from _goto_if(walk, state, f"{UNKNOWN}?{data.partition('?')[2]}", extension)


def _gosub(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    yield from walk.called(state, data, back_to=state.priority + 1)


def _gosub_if(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    condition, _, targets = data.partition("?")
    for target in walk.branches(condition, targets):
        back_to = state.priority + 1
        yield from walk.called(state, target, back_to=back_to) if target else (state.next(),)


def _macro(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    name, *arguments = split_arguments(data)
    text = f"macro-{name},s,1({','.join(arguments)})"
    inside = state.with_variables(MACRO_EXTEN=state.extension, MACRO_CONTEXT=state.context)
    yield from walk.called(inside, text, back_to=state.priority + 1)


def _return(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    if not state.stack:
        yield from walk.hung_up(state)  # "Return without Gosub"
        return
    *rest, frame = state.stack
    outside = frozenset(state.variables - _arguments(state.variables)) | frame.arguments
    back = replace(
        state.at(frame.context, frame.extension, frame.priority),
        variables=outside,
        stack=tuple(rest),
    )
    if state.context == PHONE_CONTACTS:  # nothing, or the phone: docs/adr/0013-legs-to-phones.md
        yield back.with_variables(GOSUB_RETVAL="")
        yield back.with_variables(GOSUB_RETVAL=f"PJSIP/{state.get('ARG1') or UNKNOWN}")
    else:
        yield back.with_variables(GOSUB_RETVAL=data)


def _stack_pop(_walk: _Walk, state: _State, _data: str, _extension: Extension) -> Iterator[_Event]:
    yield replace(state.next(), stack=state.stack[:-1])


def _set(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    yield from _assigned(walk, state, [data])


def _set_several(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    yield from _assigned(walk, state, split_arguments(data))


def _assigned(walk: _Walk, state: _State, assignments: Sequence[str]) -> Iterator[_Event]:
    changed = state
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        bare = _bare(name)
        if name.strip().lower() in HANGUP_HANDLERS:
            for each in walk.target(state, value.partition("(")[0]):
                yield each if isinstance(each, Doubt) else replace(each, hung_up=True, stack=())
        if name.strip().upper().startswith("ARRAY("):
            unknown = split_arguments(name.partition("(")[2].rpartition(")")[0])
            changed = changed.with_variables(**{each.strip(): UNKNOWN for each in unknown})
        if name.strip().upper() == "TIMEOUT(ABSOLUTE)" and value.strip() not in {"", "0"}:
            if walk.walker.anything_happens and walk.dialplan.exists(state.context, "T"):
                yield state.at(state.context, "T", 1)
            continue
        if not found or not bare:
            continue
        if not walk.walker.is_read(bare):
            continue
        text = value.strip().removeprefix('"').removesuffix('"') if found else ""
        changed = changed.with_variables(**{bare: text})
        if name.strip().startswith("_"):
            changed = replace(changed, inherited=changed.inherited | {bare})
    yield changed.next()


def _read(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    """The caller's digits, which may be the number that is walked."""
    walk.hear(state, state.context)
    yield state.with_variables(**{split_arguments(data)[0]: UNKNOWN}).next()


def _exec_if(walk: _Walk, state: _State, data: str, extension: Extension) -> Iterator[_Event]:
    condition, _, branches = data.partition("?")
    parts = split_arguments(branches, ":")
    then, otherwise = parts[0], ":".join(parts[1:])
    for text in walk.branches(condition, "0:1"):
        chosen = then if text == "0" else otherwise
        yield from _executed(walk, state, chosen, extension)


def _exec(walk: _Walk, state: _State, data: str, extension: Extension) -> Iterator[_Event]:
    yield from _executed(walk, state, data, extension)


def _executed(walk: _Walk, state: _State, text: str, extension: Extension) -> Iterator[_Event]:
    application, _, data = text.strip().partition("(")
    if not application:
        yield state.next()
    elif not is_known(application):
        yield Doubt(state.place, "which application is run only a call decides")
    else:
        yield from walk.carried_out(state, application, data.rpartition(")")[0], extension)


def _loop(_walk: _Walk, state: _State, _data: str, extension: Extension) -> Iterator[_Event]:
    """Whatever a loop decides: on, back to its beginning, or past its end."""
    yield state.next()
    for step in extension.steps:
        name = step.application.lower()
        if name in BRANCHES or name in CONDITIONS:
            yield state.at(state.context, state.extension, step.number + 1)
        if name == "while":
            yield state.at(state.context, state.extension, step.number)


def _stasis(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    name = split_arguments(data)[0]
    if name == walk.walker.app_name:
        yield state.place
        if walk.start.paid_ms:
            there = paid_extension(walk.digits.lstrip("+"), walk.start.paid_ms)
            yield replace(state.at(PAID, there, 1), authorised=True)
        away = state.with_variables(STASISSTATUS="FAILED").next()
        yield replace(away, application_away=True)
    else:
        yield Doubt(state.place, f"what the application {name} does cannot be followed")
        yield state.with_variables(STASISSTATUS=UNKNOWN).next()


def _dial(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    arguments = [*split_arguments(data), "", "", ""]
    options = dial_options(arguments[2])
    yield from walk.rung(state, arguments[0], options)
    yield from _beside(walk, state, options)
    answered = ("ANSWER",) if "g" in options and walk.walker.anything_happens else ()
    if walk.walker.anything_happens:
        yield from walk.hung_up(state)
    is_local = "local/" in arguments[0].lower()  # which ends as what is behind it ends
    ends = NOT_ANSWERED if is_local else walk.walker.not_answered
    for status in (*ends, *answered):
        yield state.with_variables(DIALSTATUS=status).next()


def _beside(walk: _Walk, state: _State, options: Mapping[str, str]) -> Iterator[_Event]:
    """What options of Dial start on either channel."""
    for option in "UbB":
        if option in options:
            where = _subroutine(options[option], has_arguments=option == "U")
            for inside in walk.called(state, where, back_to=0):
                yield inside if isinstance(inside, Doubt) else replace(inside, stack=())
    for option in "GF":
        target = options.get(option, "").replace("^", ",")
        if target:
            yield from walk.target(state, target)
            if option == "G":
                for each in walk.target(state, target):
                    yield each if isinstance(each, Doubt) else each.next()
        elif option == "F" and option in options:
            yield state.next()


def _subroutine(text: str, *, has_arguments: bool) -> str:
    """`U(context^argument)`, or `b(context^s^1(argument))`, as Gosub has it."""
    if not has_arguments:
        return text.replace("^", ",")
    context, *arguments = text.split("^")
    return f"{context},s,1({','.join(arguments)})"


def _retry_dial(walk: _Walk, state: _State, data: str, extension: Extension) -> Iterator[_Event]:
    yield from _dial(walk, state, ",".join(split_arguments(data)[3:]), extension)


def _page(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    yield from walk.rung(state, split_arguments(data)[0], {})
    yield state.next()


def _originate(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    whom, kind, first, second, third = [*split_arguments(data), "", "", "", "", ""][:5]
    yield from walk.rung(state, whom, {})
    if kind.strip().lower() == "exten":
        yield from walk.entered(state, first, second or "s", priority=third or "1")
    else:
        yield Doubt(state.place, f"what Originate starts with {first} cannot be followed")
    yield state.next()


def _dial_on(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    """The caller may dial on: the number that is walked, for one."""
    arguments = [*split_arguments(data), "", "", "", ""]
    walk.hear(state, arguments[3] or state.context)
    yield state.at(arguments[3] or state.context, walk.digits, 1)
    for escape in ("t", "i", "o", "a"):
        if walk.dialplan.exists(state.context, escape):
            yield state.at(state.context, escape, 1)
    yield state.next()


def _disa(walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    context = [*split_arguments(data), ""][1] or "disa"
    walk.hear(state, context)
    yield state.at(context, walk.digits, 1)


def _agi(_walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    if not is_ours(state.context):
        yield Doubt(state.place, f"what the script {split_arguments(data)[0]} does is not known")
    yield state.with_variables(AGISTATUS=UNKNOWN).next()


def _system(_walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    yield Doubt(state.place, f"what the command {data.partition(' ')[0]} does is not known")
    yield state.with_variables(SYSTEMSTATUS=UNKNOWN).next()


def _queue(_walk: _Walk, state: _State, data: str, _extension: Extension) -> Iterator[_Event]:
    yield Doubt(state.place, f"the members of the queue {split_arguments(data)[0]} are not known")
    yield state.next()


_HANDLERS: Mapping[str, _Handler] = {
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


@lru_cache(values.CACHED)
def dial_options(text: str) -> Mapping[str, str]:
    """`giL(60000)`: every letter, and what stands in its parentheses."""
    options: dict[str, str] = {}
    rest = text
    while rest:
        letter, rest = rest[0], rest[1:]
        inside = ""
        if rest.startswith("("):
            inside, rest = _parenthesis(rest[1:])
        options[letter] = inside
    return options


def _parenthesis(text: str) -> tuple[str, str]:
    depth = 1
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[:index], text[index + 1 :]
    return text, ""


def _peeked(state: _State, given: Sequence[str]) -> str:
    """LOCAL_PEEK(n,ARG2): as it was so many calls of Gosub before; of arguments alone."""
    levels, name = (*given, "", "")[:2]
    if not levels.isdigit() or not name.startswith("ARG"):
        return UNKNOWN
    depth = int(levels)
    if depth == 0:
        return state.get(name) or ""
    if depth > len(state.stack):
        return ""
    return dict(state.stack[-depth].arguments).get(name, "")


def _bare(name: str) -> str:
    """The variable that `__NAME` or `LOCAL(NAME)` sets; empty for any other function."""
    stripped = name.strip().removeprefix("LOCAL(").removesuffix(")").lstrip("_")
    return "" if "(" in stripped or not is_known(stripped) else stripped


def _arguments(variables: Variables) -> Variables:
    return frozenset(each for each in variables if each[0].startswith("ARG"))


def names_set(dialplan: Dialplan) -> frozenset[str]:
    """Every variable that some priority sets for its own channel."""
    return frozenset(_bare(name) for name in _assigned_names(dialplan))


def names_read(dialplan: Dialplan) -> tuple[frozenset[str], tuple[str, ...]]:
    """Every word that may name a variable, and how names begin that are put together."""
    texts = {
        step.data
        for context in dialplan.contexts.values()
        for extension in context.extensions
        for step in extension.steps
        if "$" in step.data
    }
    read = {name for text in texts for name in _READ.findall(text)}
    beginnings = {begin for text in texts for begin in _PUT_TOGETHER.findall(text)}
    return frozenset(read) | KEPT, tuple(beginnings)


def globals_set(dialplan: Dialplan) -> frozenset[str]:
    """Every variable that some priority sets for all channels: `Set(GLOBAL(NIGHT)=1)`."""
    found = (_GLOBAL.fullmatch(name) for name in _assigned_names(dialplan))
    return frozenset(each["name"] for each in found if each is not None)


def _assigned_names(dialplan: Dialplan) -> Iterator[str]:
    for context in dialplan.contexts.values():
        for extension in context.extensions:
            for step in extension.steps:
                text = step.data
                match step.application.lower():
                    case "exec" | "tryexec" | "execif":
                        for inside in _SET_INSIDE.findall(text):
                            yield inside.strip()
                    case "set":
                        yield text.partition("=")[0].strip()
                    case "mset":
                        yield from (
                            each.partition("=")[0].strip() for each in split_arguments(text)
                        )
