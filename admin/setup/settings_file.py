"""The settings file of a new installation."""

from collections.abc import Sequence
from dataclasses import dataclass

from admin.setup import places
from admin.setup.asterisk_files import USER, Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """How Tollgate reaches Asterisk."""

    http: Address
    ami: Address
    legs: bool  # whether Asterisk logs legs
    trunks: Sequence[str]


HEAD = """\
# Written once by `tollgate setup asterisk`, and yours from now on. docs/configure.md says what may
# stand here. In force within a second of being saved, but for addresses and secrets.
"""


def settings_toml(
    connections: Connections, *, plan: str, offices: Sequence[str], phones: bool
) -> str:
    """Every value is a name or an address that was read elsewhere, or a place of ours."""
    legs = {"cel_file": str(places.LEGS_FILE)} if connections.legs else {}
    sections: dict[str, dict[str, str]] = {
        **{f"offices.{office}": {"plan": plan} for office in offices},
        "site": {"phones_file": str(places.PHONES_FILE)} if phones else {},
        "database": {"url": f"sqlite:///{places.LEDGER}"},
        "asterisk": legs,
        "ari": {
            "base_url": f"http://{connections.http.host}:{connections.http.port}",
            "username": USER,
            "password_file": str(places.ARI_PASSWORD),
        },
        "ami": {
            "host": connections.ami.host,
            "port": connections.ami.port,
            "username": USER,
            "secret_file": str(places.AMI_SECRET),
        },
        "agi": {"secret_file": str(places.AGI_SECRET)},
        "prompts": {"sounds_folder": str(places.SOUNDS)},
        "payments": {"sandbox_folder": str(places.LEDGER_FOLDER / "sandbox")},
        **{f"trunks.{trunk}": {} for trunk in connections.trunks},
    }
    return HEAD + "".join(
        _section(name, fields)
        for name, fields in sections.items()
        if fields or name.startswith("trunks.")
    )


def _section(name: str, fields: dict[str, str]) -> str:
    lines = [f"{key} = {_value(key, value)}" for key, value in fields.items()]
    return "\n".join(["", f"[{name}]", *lines, ""])


def _value(key: str, value: str) -> str:
    return value if key == "port" else f'"{value}"'
