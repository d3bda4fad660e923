"""One Asterisk: it starts clean, keeps to itself, and leaves nothing behind."""

import contextlib
import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dialplan.phones import load_phones
from lab.addresses import AddressBlock
from lab.errors import LabError
from lab.instance import AlreadyRunningError, Instance, PortTakenError, asterisk_config
from telephony.tools import Telephony

pytestmark = pytest.mark.live

MakeInstance = Callable[..., Instance]


@pytest.fixture
def make_instance(telephony: Telephony, sounds: Path, tmp_path: Path) -> MakeInstance:
    def make(address: str = "127.0.0.1", **changes: object) -> Instance:
        config = asterisk_config(
            tmp_path / "asterisk",
            telephony,
            sip_address=address,
            trunk=(address, 5070),
            phones=load_phones(),
            emergency_numbers=("112",),
        )
        return Instance(replace(config, **changes), telephony, sounds=sounds)  # type: ignore[arg-type]

    return make


async def test_asterisk_boots_with_every_module_and_a_clean_log(
    make_instance: MakeInstance,
) -> None:
    with AddressBlock() as addresses:
        async with make_instance(addresses.asterisk) as asterisk:
            log = asterisk.log_file.read_text()
            modules = await asterisk.cli("module show")
        configuration = (asterisk.config.folder / "etc/modules.conf").read_text()
    assert "WARNING" not in log
    assert "ERROR" not in log
    wanted = set(re.findall(r"^require = (\S+)$", configuration, re.MULTILINE))
    running = {line.split()[0] for line in modules.splitlines() if " Running " in line}
    assert len(wanted) > 50
    assert {name for name in running if name.endswith(".so")} == wanted


async def test_everything_asterisk_opens_is_on_its_own_loopback_address(
    make_instance: MakeInstance,
) -> None:
    with AddressBlock() as addresses:
        async with make_instance(addresses.asterisk) as asterisk:
            listening = _listening(asterisk.pid)
    # PJSIP's DNS client asks from two sockets of its own, which serve nothing.
    serving = {(address, port) for address, port in listening if port < 20000}
    assert serving == {
        (addresses.asterisk, 5060),
        (addresses.asterisk, 5038),
        (addresses.asterisk, 8088),
    }


async def test_two_instances_run_side_by_side(
    telephony: Telephony, sounds: Path, tmp_path: Path
) -> None:
    def config_in(folder: str, address: str) -> Instance:
        config = asterisk_config(
            tmp_path / folder,
            telephony,
            sip_address=address,
            trunk=(address, 5070),
            phones=load_phones(),
            emergency_numbers=("112",),
        )
        return Instance(config, telephony, sounds=sounds)

    with AddressBlock() as one, AddressBlock() as other:
        async with config_in("a", one.asterisk) as first, config_in("b", other.asterisk) as second:
            assert "booted" in await first.cli("core waitfullybooted")
            assert "booted" in await second.cli("core waitfullybooted")
            assert first.config.secrets.ari_password != second.config.secrets.ari_password


async def test_a_second_start_in_the_same_folder_says_that_it_is_running(
    make_instance: MakeInstance,
) -> None:
    with AddressBlock() as addresses:
        async with make_instance(addresses.asterisk) as asterisk:
            with pytest.raises(AlreadyRunningError, match="already running in"):
                await make_instance(addresses.asterisk).start()
            assert asterisk.running


async def test_a_taken_port_is_named_with_the_setting_to_change(
    make_instance: MakeInstance,
) -> None:
    with AddressBlock() as addresses, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after an earlier test
        other.bind((addresses.asterisk, 5038))
        other.listen()
        with pytest.raises(PortTakenError, match=r"TCP port 5038 of .* or change ami_port"):
            await make_instance(addresses.asterisk).start()


async def test_a_configuration_that_asterisk_refuses_is_told_in_one_sentence(
    make_instance: MakeInstance,
) -> None:
    with AddressBlock() as addresses:
        asterisk = make_instance(addresses.asterisk, modules=Path("/nowhere"))
        with pytest.raises(LabError, match=r"gave up while starting; it said: .*Failed to load"):
            await asterisk.start()
        assert not asterisk.running


async def test_stopping_leaves_no_process_and_the_secrets_stay_the_same(
    make_instance: MakeInstance,
) -> None:
    with AddressBlock() as addresses:
        async with make_instance(addresses.asterisk) as asterisk:
            pid = asterisk.pid
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        again = make_instance(addresses.asterisk)
        assert again.config.secrets == asterisk.config.secrets


async def test_asterisk_starts_again_after_a_crash(make_instance: MakeInstance) -> None:
    with AddressBlock() as addresses:
        asterisk = make_instance(addresses.asterisk)
        await asterisk.start()
        await asterisk.kill()
        async with asterisk:
            assert "booted" in await asterisk.cli("core waitfullybooted")


async def test_secrets_are_readable_by_their_owner_alone_and_never_shown(
    make_instance: MakeInstance,
) -> None:
    with AddressBlock() as addresses:
        async with make_instance(addresses.asterisk) as asterisk:
            folder = asterisk.config.folder
            shown = repr(asterisk.config) + asterisk.log_file.read_text()
            shown += (folder / "log/console").read_text()
    secrets = asterisk.config.secrets
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "etc").stat().st_mode & 0o777 == 0o700
    for file in (*(folder / "etc").iterdir(), folder / "secrets.json"):
        assert file.stat().st_mode & 0o777 == 0o600, file
    for secret in (secrets.ari_password, secrets.ami_password, *secrets.phones.values()):
        assert secret not in shown


async def test_a_folder_whose_path_is_too_long_for_a_socket_is_no_obstacle(
    telephony: Telephony, sounds: Path, tmp_path: Path
) -> None:
    with AddressBlock() as addresses:
        config = asterisk_config(
            tmp_path / ("long" * 30),
            telephony,
            sip_address=addresses.asterisk,
            trunk=(addresses.carrier, 5060),
            phones=load_phones(),
            emergency_numbers=("112",),
        )
        async with Instance(config, telephony, sounds=sounds) as asterisk:
            assert "booted" in await asterisk.cli("core waitfullybooted")


def _listening(pid: int) -> set[tuple[str, int]]:
    """Addresses on which a process takes packets or connections, from the kernel's tables."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("udp", "tcp", "udp6", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            waiting = fields[3] in {"07", "0A"}  # bound UDP, listening TCP
            if fields[9] in inodes and waiting:
                address, port = fields[1].split(":")
                packed = bytes.fromhex(address)[::-1]
                found.add(
                    (socket.inet_ntoa(packed) if len(packed) == 4 else address, int(port, 16))
                )
    return found
