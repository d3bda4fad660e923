"""Another takes the application's name in Asterisk: the first notices that its events are lost."""

import aiohttp
import pytest

from ari_app.ari import authorization
from lab.application import Application
from lab.errors import LabError
from lab.fault_proxy import FaultProxy
from lab.paid_office import PaidOffice, settings_text
from tests.live.conftest import FRANCE, StartOffice

pytestmark = pytest.mark.live


async def test_application_whose_name_was_taken_for_a_while_hears_every_call_again(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("interval_debited", interval=0)
        heard = len(paid.application.entries())
        await take_its_name(paid)
        await paid.application.wait_for("application_replaced", after=heard)
        await paid.application.wait_for("ready", after=heard)
        await paid.application.wait_for("interval_debited", after=heard)  # and so is metered
        await phone.hang_up()
        await paid.application.wait_for("call_settled")
        heard = len(paid.application.entries())
        await phone.dial(FRANCE)
        await paid.application.wait_for("call_authorised", after=heard)


async def test_second_application_gives_way_here_and_from_another_machine(
    start_office: StartOffice,
) -> None:
    """From elsewhere Asterisk is reached by another way, and no lock of this machine is seen."""
    async with start_office() as paid, paid.office.phone("1001") as phone:
        folder = paid.office.folder
        with pytest.raises(LabError, match="another application answers as tollgate"):
            await Application(paid.settings_file, folder / "second").start()
        config = paid.office.config
        ari = (config.control_address, config.http_port)
        async with FaultProxy(ari, address=config.control_address) as proxy:
            elsewhere = folder / "elsewhere.toml"
            elsewhere.write_text(
                settings_text(
                    config,
                    legs_file=paid.office.asterisk.legs_file,
                    extra={
                        "ari": {"base_url": f"http://{config.control_address}:{proxy.port}"},
                        "asterisk": {"name": "elsewhere"},
                    },
                ),
                encoding="utf-8",
            )
            with pytest.raises(LabError, match="has taken its place back"):
                await started_and_replaced(Application(elsewhere, folder / "elsewhere"))
        heard = len(paid.application.entries())
        await phone.dial(FRANCE)
        await paid.application.wait_for("call_authorised", after=heard)


async def started_and_replaced(second: Application) -> None:
    await second.start()
    await second.wait_for("what it never says, for it ends", timeout_s=20)


async def take_its_name(paid: PaidOffice) -> None:
    """Open a connection for the same application, and close it again."""
    settings = paid.settings.ari
    assert settings is not None
    async with (
        aiohttp.ClientSession(headers=authorization(settings)) as session,
        session.ws_connect(
            f"{settings.base_url}/ari/events", params={"app": settings.app_name}
        ) as socket,
    ):
        async for frame in socket:  # until the first one has taken it back
            if frame.json()["type"] == "ApplicationReplaced":
                break
