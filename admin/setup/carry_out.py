"""A plan becomes files, and files become again what they were."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from admin.setup.blocks import has_block, without_blocks
from admin.setup.items import Item, MakeFolder, MakeLink, Plan, PutFile
from admin.setup.journal import Entry, Journal
from admin.setup.machine import ABSENT, Machine, SetupError, State, unfinished_of


@dataclass(frozen=True, slots=True)
class Change:
    """What an item would do to this machine."""

    item: Item
    now: State
    wanted: State


def changes(machine: Machine, journal: Journal, plan: Plan) -> Sequence[Change]:
    """Whatever is not yet as the plan wants it.

    A folder that is there is as its owner wants it, unless set-up made it; what was written once
    for the admin is the admin's.
    """
    found = []
    for item in plan.items:
        now = machine.state(item.path)
        wanted = machine.wanted(item, now)
        if now == wanted or not _is_ours_to_change(journal, item, now):
            continue
        if now.kind not in {"absent", wanted.kind}:
            raise SetupError(f"{item.path} is there already, and is no {wanted.kind}")
        found.append(Change(item, now, wanted))
    return found


def _is_ours_to_change(journal: Journal, item: Item, now: State) -> bool:
    if now == ABSENT:
        return True
    match item:
        case MakeFolder():
            return journal.entry(item.path) is not None
        case PutFile(yours=True):
            return False
        case _:
            return True


def write(machine: Machine, journal: Journal, to_do: Sequence[Change]) -> None:
    """Note each, then make it.

    Raises:
        SetupError: one cannot be written; what was written before stays, and can be undone.
    """
    for change in to_do:
        item = change.item
        before, content = _before(machine, journal, change)
        journal.note(
            *(item.path, before, content, change.wanted),
            yours=isinstance(item, PutFile) and item.yours,
            made=not isinstance(item, MakeLink) and item.made,
        )
        machine.put(item.path, change.wanted, item.content if isinstance(item, PutFile) else b"")


def _before(machine: Machine, journal: Journal, change: Change) -> tuple[State, bytes | None]:
    """What undoing brings back: of a file that the admin has edited since, their newer text."""
    if change.now.kind != "file":
        return change.now, None
    content = machine.content(change.item.path) or b""
    known = journal.entry(change.item.path)
    if known is None or change.now in known.afters:
        return change.now, content
    text = content.decode("utf-8", errors="surrogateescape")
    return machine.with_content(change.now, without_blocks(text).encode(errors="surrogateescape"))


def note_edited(machine: Machine, journal: Journal, plan: Plan) -> None:
    """The admin may edit around our blocks; undoing then brings back what they wrote."""
    for item in plan.items:
        known = journal.entry(item.path)
        now = machine.state(item.path)
        if not isinstance(item, PutFile) or item.yours or known is None or now.kind != "file":
            continue
        if now in known.afters or now == known.before:
            continue
        content = machine.content(item.path) or b""
        text = content.decode("utf-8", errors="surrogateescape")
        if has_block(text):
            own = without_blocks(text).encode(errors="surrogateescape")
            before, kept = machine.with_content(now, own)
            journal.note(item.path, before, kept, now)


# --- taking back --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """What taking back would do."""

    back: Sequence[Entry]  # in the order in which they are taken back
    changed: Sequence[Path]  # by somebody else since
    kept: Sequence[Path]  # the admin's own, or money


def undoing(machine: Machine, journal: Journal) -> Undoing:
    """Everything is looked at before anything is touched."""
    back: list[Entry] = []
    changed: list[Path] = []
    kept: list[Path] = []
    for entry in reversed(journal.entries):
        now = machine.state(entry.path)
        if now == entry.before:
            continue
        if _is_as_written(now, entry):
            stays = now.kind == "folder" and not entry.made
            if stays and machine.holds_others(entry.path, _gone(back)):
                kept.append(entry.path)
            else:
                back.append(entry)
        elif entry.yours:
            kept.append(entry.path)
        else:
            changed.append(entry.path)
    return Undoing(back=back, changed=changed, kept=kept)


def _gone(back: Sequence[Entry]) -> frozenset[Path]:
    return frozenset(entry.path for entry in back if entry.before == ABSENT)


def _is_as_written(now: State, entry: Entry) -> bool:
    if now.kind == "folder" or entry.made:
        return any(after.kind == now.kind for after in entry.afters)
    return now in entry.afters


def take_back(machine: Machine, journal: Journal, undone: Undoing) -> None:
    """Raises SetupError: one cannot be; run it again once it can."""
    for entry in undone.back:
        unfinished_of(machine.root / entry.path.relative_to("/")).unlink(missing_ok=True)
        if entry.made and entry.afters[-1].kind == "folder":
            machine.empty(entry.path)
        machine.put(entry.path, entry.before, entry.content or b"")
    journal.forget()


def said_of(change: Change) -> Iterator[str]:
    """One line for the plan."""
    match change.item:
        case PutFile():
            verb = "new file" if change.now == ABSENT else "changed"
        case MakeFolder():
            verb = "new folder" if change.now == ABSENT else "rights"
        case MakeLink(target=target):
            verb = f"link to {target}"
    yield f"{change.item.path}: {verb}: {change.item.why}"
