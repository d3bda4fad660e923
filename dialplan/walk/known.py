"""What is known of an Asterisk beside one call: the same for every walk through its dialplan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dialplan.walk.lookup import Dialplan
from dialplan.walk.names import globals_set, names_read, names_set

NOT_ANSWERED = ("CHANUNAVAIL", "CONGESTION", "BUSY", "NOANSWER")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known beside the text of the dialplan.

    Args:
        dialplan: what is walked.
        app_name: of our application, in Stasis.
        variables: the global ones, as Asterisk has them.
        not_answered: the DIALSTATUS that a leg may end with that nobody answered.
        anything_happens: the caller may hang up, a leg be answered, a time limit fall due.
    """

    dialplan: Dialplan
    app_name: str = "tollgate"
    variables: Mapping[str, str] = field(default_factory=dict)
    not_answered: Sequence[str] = NOT_ANSWERED
    anything_happens: bool = True
    names_wanted: set[str] = field(default_factory=set)  # global ones, of which nothing is known

    @cached_property
    def names_set(self) -> frozenset[str]:
        return names_set(self.dialplan)

    @cached_property
    def changing(self) -> frozenset[str]:
        return globals_set(self.dialplan)

    @cached_property
    def _read(self) -> tuple[frozenset[str], tuple[str, ...]]:
        return names_read(self.dialplan)

    def is_read(self, name: str) -> bool:
        """A variable that nobody reads makes no difference, and is not kept."""
        names, beginnings = self._read
        return name in names or name.startswith(beginnings)
