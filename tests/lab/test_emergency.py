"""An emergency call needs nothing of ours but the dialplan."""

from pathlib import Path

import pytest
import soundfile

from lab.office import Office
from lab.telephony import Telephony

pytestmark = pytest.mark.live


async def test_an_emergency_call_reaches_the_carrier_with_no_application(
    telephony: Telephony, sounds: Path, tmp_path: Path
) -> None:
    async with Office(telephony, tmp_path, sounds=sounds) as office:
        async with office.phone("1001") as phone:
            await phone.dial("112")
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_for("CALL_RTPESTAB")
            await phone.hang_up()
            call = await office.carrier.wait_for(lambda call: call.ended)
        assert call.dialled == "112"
        assert call.ended_by == "office"
        heard, rate_hz = soundfile.read(phone.recordings()[0])
        assert rate_hz == 16000
        assert abs(heard).max() > 0.1
