"""The application's log, line by line, in plain words."""

from collections.abc import Callable, Mapping

from admin.amounts import shown

Entry = Mapping[str, object]


class Narrator:
    """Follows one call and says what each log line means to somebody new to it."""

    def __init__(self) -> None:
        self._currency = "GBP"
        self._words: Mapping[str, Callable[[Entry], str | None]] = {
            "call_authorised": self._authorised,
            "call_refused": self._refused,
            "balance_announced": self._announced,
            "state": self._state,
            "interval_reserved": self._reserved,
            "interval_refused": self._unfunded,
            "interval_debited": self._debited,
            "money_exhausted": lambda _: "The paid time is over: the call is ended.",
            "call_settled": self._settled,
        }

    def sentence(self, entry: Entry) -> str | None:
        """None: nothing that a caller or a manager would care about."""
        words = self._words.get(str(entry.get("event")))
        return None if words is None else words(entry)

    def _money(self, entry: Entry, name: str) -> str:
        return shown(int(str(entry[name])), self._currency)

    def _authorised(self, entry: Entry) -> str:
        self._currency = str(entry.get("currency", self._currency))
        category, reason = entry["category"], entry["reason"]
        if "per_minute_micros" not in entry:
            return f"Classified as {category}: {reason}. It goes straight through."
        connection = self._money(entry, "connection_micros")
        extra = "" if entry["connection_micros"] == 0 else f" and {connection} on answer"
        price = self._money(entry, "per_minute_micros")
        return (
            f"Classified as {category}: {reason}.\n"
            f"{entry['destination']} costs {price} a minute{extra};"
            f" {self._money(entry, 'reserved_micros')} is set aside for the first"
            f" {entry['funded_s']} s, before anything is dialled."
        )

    def _refused(self, entry: Entry) -> str:
        return f"Refused ({entry['code']}): {entry['reason']}. The phone hears why."

    def _announced(self, entry: Entry) -> str:
        balance = self._money(entry, "balance_micros")
        return f"The phone hears, before the call connects: “You have {balance}.”"

    def _state(self, entry: Entry) -> str | None:
        return {
            "dialling": "Continues in the dialplan, which dials the carrier.",
            "talking": "The far end answered: from now on time is charged.",
            "ended": "Hung up.",
        }.get(str(entry["state"]))

    def _reserved(self, entry: Entry) -> str:
        return (
            f"The next increment is reserved ({self._money(entry, 'amount_micros')});"
            f" Asterisk may keep the call up to {entry['funded_s']} s."
        )

    def _unfunded(self, entry: Entry) -> str:
        return f"The next increment cannot be paid: {entry['reason']}."

    def _debited(self, entry: Entry) -> str:
        number = int(str(entry["interval"])) + 1
        amount, left = self._money(entry, "amount_micros"), self._money(entry, "available_micros")
        return f"Increment {number} begins: {amount} is debited, {left} is available."

    def _settled(self, entry: Entry) -> str:
        return (
            f"Settled: {entry['talk_s']} s of talk, {self._money(entry, 'charged_micros')} charged,"
            f" {self._money(entry, 'released_micros')} released,"
            f" {self._money(entry, 'available_micros')} available."
        )
