"""What Asterisk is given: files of ours, and marked blocks in the admin's that include them.

Every file of the admin's is read without our blocks, so a second plan asks for nothing new.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from admin.readable import FILE_MODE
from admin.setup import asterisk_files, contexts, places
from admin.setup.asterisk_files import Needed
from admin.setup.blocks import block, with_blocks_at, without_blocks
from admin.setup.conf import Conf, own_values, read_conf
from admin.setup.found import Found
from admin.setup.items import Item, PutFile
from admin.setup.machine import Machine
from admin.setup.settings_file import Connections
from dialplan.office_routes import is_ours
from dialplan.render import OUR_CONTEXTS, TRUNK_CONTEXTS, TRUNKS

FOR_ASTERISK = 0o640  # of its user's group, as packages leave Asterisk's files
DIALPLAN = "extensions.conf"
PJSIP = "pjsip.conf"
HOLD_SECRETS = frozenset({"ari.conf", "manager.conf"})


class AsteriskPlan:
    """Asterisk's part of one plan in the making."""

    def __init__(self, machine: Machine, found: Found, *, trunks: Sequence[str]) -> None:
        self.told: list[str] = []
        self._machine = machine
        self._found = found
        self._trunks = trunks
        self._ours = found.etc / places.OURS
        self._included: dict[str, list[str]] = {}  # by the admin's file, at its end
        self.pjsip = self.conf(PJSIP)

    def conf(self, name: str) -> Conf:
        """As it is without Tollgate."""
        etc = self._found.etc
        return read_conf(etc / name, folder=etc, read=self._text, matching=self._machine.matching)

    def _text(self, path: Path) -> str | None:
        text = self._machine.text(path)
        return None if text is None else without_blocks(text)

    # --- ARI, AMI, HTTP, CEL, PJSIP -------------------------------------------------------------

    def servers(self, *, ari_password: str, ami_secret: str) -> tuple[Sequence[Item], Connections]:
        """By which Tollgate reaches Asterisk, and what Asterisk logs for it."""
        http_conf, ari_conf = self.conf("http.conf"), self.conf("ari.conf")
        manager_conf = self.conf("manager.conf")
        http, http_address = asterisk_files.http(http_conf)
        ari = asterisk_files.ari(ari_conf, ari_password)
        manager, ami_address = asterisk_files.manager(
            manager_conf, ami_secret, http_on_loopback=not http.told
        )
        ami_user = "an AMI user that may list, lengthen and end calls, from this machine alone"
        legs = list(self._legs())
        items = [
            *self._given("http.conf", http, http_conf, "HTTP on loopback, which ARI needs"),
            *self._given("ari.conf", ari, ari_conf, "an ARI user of Tollgate's own"),
            *self._given("manager.conf", manager, manager_conf, ami_user),
            *legs,
            *self._phones_and_trunks(),
        ]
        return items, Connections(
            http=http_address, ami=ami_address, legs=bool(legs), trunks=self._trunks
        )

    def _legs(self) -> Iterator[Item]:
        cel_conf, custom = self.conf("cel.conf"), self.conf("cel_custom.conf")
        cel = asterisk_files.cel(cel_conf)
        why = "events of each leg, added to those that are logged for others"
        legs = asterisk_files.cel_custom(str(places.LEGS_FILE))
        yield from self._given("cel.conf", cel, cel_conf, why)
        yield from self._given("cel_custom.conf", legs, custom, "the log of legs")

    def _phones_and_trunks(self) -> Iterator[Item]:
        trunk = self._trunks[0] if self._trunks else None
        yield from self._given(
            PJSIP,
            asterisk_files.pjsip(self.pjsip, trunk),
            self.pjsip,
            "emergency calls are never refused for load, nor ended for silence",
        )

    def _given(self, name: str, needed: Needed, conf: Conf, why: str) -> Iterator[Item]:
        """A file of ours, which the admin's of the same name includes."""
        self.told += needed.told
        text = needed.text(conf, comment=why)
        if text:
            self._included.setdefault(name, []).append(f"#tryinclude {places.OURS}/{name}")
            yield self._ours_to_write(name, text, why, secret=name in HOLD_SECRETS)

    def _ours_to_write(
        self, name: str, text: str, why: str, *, secret: bool = False, yours: bool = False
    ) -> PutFile:
        return PutFile(
            path=self._ours / name,
            content=text.encode(errors="surrogateescape"),
            why=why,
            mode=FOR_ASTERISK if secret else FILE_MODE,
            group=self._found.group,
            secret=secret,
            yours=yours,
            made=name == OUR_CONTEXTS,
        )

    # --- the dialplan ---------------------------------------------------------------------------

    def dialplan(self, rendered: Mapping[str, str]) -> Iterator[Item]:
        """The contexts, and those of the trunks, which are the admin's once they are written."""
        included = [f"#tryinclude {places.OURS}/{OUR_CONTEXTS}"]
        yield self._ours_to_write(
            OUR_CONTEXTS,
            rendered[OUR_CONTEXTS],
            "contexts by which calls are gated; `tollgate dialplan render` writes them anew",
        )
        if all(self.conf(DIALPLAN).has(context) for context in TRUNKS):
            self.told.append(f"[{'] and ['.join(sorted(TRUNKS))}] of your own stay as they are")
        else:
            included.append(f"#tryinclude {places.OURS}/{TRUNK_CONTEXTS}")
            yield self._trunk_contexts(rendered[TRUNK_CONTEXTS])
        self._included.setdefault(DIALPLAN, []).extend(included)

    def _trunk_contexts(self, text: str) -> Item:
        if self._trunks:
            text = text.replace("@trunk", f"@{self._trunks[0]}")
        elif not self._machine.exists(self._ours / TRUNK_CONTEXTS):
            self.told.append(
                f"{self._ours / TRUNK_CONTEXTS} dials the endpoint [trunk] and, for emergency"
                " calls, [emergency]: name yours there, or give --trunk ENDPOINT"
            )
        why = "trunks, failover, caller ID: written once, yours to edit"
        return self._ours_to_write(TRUNK_CONTEXTS, text, why, yours=True)

    # --- the admin's own files ------------------------------------------------------------------

    def admins_files(self, phones_contexts: Mapping[str, str]) -> Iterator[Item]:
        """Each with nothing more than marked blocks; last, for what they include is there then."""
        inside = self._includes_in(phones_contexts)
        for name, lines in self._included.items():
            path = self._found.etc / name
            text = with_blocks_at(self._text(path) or "", inside.pop(path, ()))
            whole = text if not text or text.endswith("\n") else f"{text}\n"
            whole += block(lines, why="what Tollgate adds")
            yield self._changed(path, whole, f"a marked block at its end: {', '.join(lines)}")
        for path, blocks in inside.items():
            text = with_blocks_at(self._text(path) or "", blocks)
            yield self._changed(path, text, "the phones' context includes Tollgate's")

    def _changed(self, path: Path, text: str, why: str) -> PutFile:
        return PutFile(
            path=path,
            content=text.encode(errors="surrogateescape"),
            why=why,
            mode=None if self._machine.exists(path) else FOR_ASTERISK,
            group=self._found.group,
        )

    def _includes_in(
        self, phones_contexts: Mapping[str, str]
    ) -> dict[Path, Sequence[tuple[int, str]]]:
        """By the file in which a context of phones stands, what belongs into it, and where."""
        found: dict[Path, list[tuple[int, str]]] = {}
        extensions = self.conf(DIALPLAN)
        for name, office in phones_contexts.items():
            sections = [each for each in extensions.named(name) if not each.is_template]
            if not sections:
                self.told.append(
                    f"there is no context [{name}] in {DIALPLAN} to include Tollgate's"
                )
            elif not any(_includes_ours(own_values(each)) for each in sections):
                blocks = contexts.includes(sections[0], office)
                found.setdefault(Path(sections[0].line.file), []).extend(blocks)
        return dict(found)


def _includes_ours(values: Iterable[tuple[str, str]]) -> bool:
    return any(key == "include" and is_ours(value) for key, value in values)
