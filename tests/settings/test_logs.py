"""A log whose disk is full for a while."""

import errno
import io

from settings.logs import LossCountingStream


class FullAtTimes(io.StringIO):
    full = False

    def flush(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, text: str) -> int:
        self.flush()
        return super().write(text)


def test_lines_that_cannot_be_written_stop_nobody_and_are_counted() -> None:
    out = FullAtTimes()
    log = LossCountingStream(out)
    log.write("before\n")
    out.full = True
    log.write("lost\n")
    log.write("lost\n")
    out.full = False
    log.write("after\n")
    log.write("later\n")
    lost = '{"event": "log_lines_lost", "lines": 2}'
    assert out.getvalue().splitlines() == ["before", lost, "after", "later"]
