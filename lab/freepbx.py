"""An office on a dialplan in the shape of FreePBX 17, with our gate in its hook before dialling."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dialplan.render import Gate
from lab.admins_office import backup_carrier, write_endpoints, write_gate
from lab.carrier import Carrier
from lab.paid_office import PaidOffice

SHAPE = Path(__file__).with_name("freepbx.conf")
PHONES = "from-internal"
MODULES = ("app_exec", "app_playtones", "func_groupcount", "func_db", "func_hash")
CUSTOM = "extensions_custom.conf"  # FreePBX reads it before its own contexts, so it wins


@asynccontextmanager
async def freepbx_office(paid: PaidOffice) -> AsyncIterator[Carrier]:
    """Let the office's dialplan be FreePBX's; the second trunk's carrier."""
    office = paid.office
    async with backup_carrier(paid) as second:
        etc = office.config.folder / "etc"
        includes = write_gate(office.config, Gate.FREEPBX)
        (etc / CUSTOM).write_text(includes, encoding="utf-8")
        main = f"#include {CUSTOM}\n{SHAPE.read_text(encoding='utf-8')}"
        (etc / "extensions.conf").write_text(main, encoding="utf-8")
        write_endpoints(office.config, second, context=PHONES)
        for module in MODULES:
            await office.asterisk.cli(f"module load {module}.so")
        for command in ("module reload res_pjsip.so", "dialplan reload"):
            await office.asterisk.cli(command)
        yield second
