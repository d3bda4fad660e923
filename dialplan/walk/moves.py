"""Where a channel goes on: jumps, subroutines, other channels, and the legs that are rung."""

from collections.abc import Callable, Iterator, Mapping

from dialplan.walk.known import Known
from dialplan.walk.lookup import Found
from dialplan.walk.reached import Doubt, Leg, Place, Start
from dialplan.walk.states import ARGUMENT, Event, Frame, State, Variables
from dialplan.walk.targets import Target, target_of
from dialplan.walk.values import UNKNOWN, is_known, split_arguments, truth


class Moves:
    """Of one walk: every way on that a priority may have."""

    def __init__(self, known: Known, start: Start, way: Callable[[], tuple[Place, ...]]) -> None:
        """`way` says how the priority that is carried out was reached."""
        self.known = known
        self.start = start
        self.digits = start.digits or start.dialled
        self.hears: set[tuple[str, str, int]] = set()
        self._way = way

    def hear(self, state: State, context: str) -> None:
        """Note in which context digits are looked up that are not the number walked, and where."""
        self.hears.add((context, state.context, state.priority))

    def hung_up(self, state: State) -> Iterator[State]:
        """Then `h` is run, which a pattern as wide as `_.` matches."""
        if not state.hung_up and self.known.dialplan.exists(state.context, "h"):
            yield state.at(state.context, "h", 1)._replace(hung_up=True, stack=())

    def target(self, state: State, text: str) -> Iterator[State | Doubt]:
        """What `Goto` and its like name: `[[context,]extension,]priority`, a number or a label."""
        parts = [part.strip() for part in split_arguments(text)]
        context, extension = state.context, state.extension
        if len(parts) > 1:
            extension = parts[-2] or extension
        if len(parts) > 2:  # noqa: PLR2004 - context, extension, priority
            context = parts[-3] or context
        yield from self.aim(state, context, extension, parts[-1])

    def aim(
        self, state: State, context: str, extension: str, priority: str
    ) -> Iterator[State | Doubt]:
        if extension == UNKNOWN:
            self.hear(state, context)
            extension = self.digits  # whatever it may be, it may be the number walked
        if not (is_known(context) and is_known(extension) and is_known(priority)):
            yield Doubt(state.place, "where it goes on depends on what only a call decides")
        elif priority.lstrip("+-").isdigit():
            base = state.priority if priority[0] in "+-" else 0
            yield state.at(context, extension, base + int(priority))
        else:
            outcomes = self.known.dialplan.find(context, extension, priority)
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

    def called(self, state: State, text: str, *, back_to: int) -> Iterator[State | Doubt]:
        """Gosub: `[[context,]extension,]priority[(arguments)]`."""
        where, _, given = text.partition("(")
        arguments = split_arguments(given.rpartition(")")[0]) if given else []
        named = {f"{ARGUMENT}{n}": value for n, value in enumerate(arguments, 1)}
        empty = dict.fromkeys(state.arguments.known, "")
        handed = Variables.of({f"{ARGUMENT}1": "", **empty, **named})
        for target in self.target(state, where.rstrip(", ")):
            if isinstance(target, Doubt):
                yield target
                continue
            frame = Frame(
                context=state.context,
                extension=state.extension,
                priority=back_to,
                arguments=state.arguments,
            )
            yield target.inside((*state.stack, frame), handed)

    def entered(
        self, state: State, context: str, extension: str, *, priority: str = "1"
    ) -> Iterator[State | Doubt]:
        """Another channel begins there: of variables it has those that are handed down."""
        child = state._replace(
            variables=state.variables.of_names(state.inherited),
            arguments=state.arguments.of_names(state.inherited),
            stack=(),
        )
        yield from self.aim(child, context, extension, priority)

    def rung(self, state: State, targets: str, options: Mapping[str, str]) -> Iterator[Event]:
        for text in targets.split("&"):
            target = target_of(text)
            if target is None or not is_known(target.technology):
                yield Doubt(state.place, "whom it rings depends on what only a call decides")
            elif target.technology.lower() == "local":
                extension, _, context = text.strip().partition("/")[2].partition("@")
                yield from self._local(state, context.partition("/")[0] or "default", extension)
            else:
                yield from self._leg(state, target, options)

    def _local(self, state: State, context: str, extension: str) -> Iterator[State | Doubt]:
        """A channel of ours again; where there is no such extension, none is made."""
        for each in self.entered(state, context, extension):
            if isinstance(each, Doubt) or self.known.dialplan.exists(each.context, each.extension):
                yield each

    def _leg(self, state: State, target: Target, options: Mapping[str, str]) -> Iterator[Event]:
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
            way=self._way(),
        )
