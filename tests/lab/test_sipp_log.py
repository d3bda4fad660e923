"""SIPp's log as we have it written, line by line."""

from pathlib import Path

from lab.sipp import Note, notes


def test_every_whole_line_is_a_note(tmp_path: Path) -> None:
    log = tmp_path / "caller.log"
    log.write_text(
        "ready;.\n"
        "placed;1-7@127.0.0.1;1795273352.000000;250000.000000;;.\n"
        "refused;1-7@127.0.0.1;1795273353.000000;500000.000000;486;.\n"
        "ended;2-7@127.0.0.1;17952733"
    )

    assert list(notes(log)) == [
        Note("placed", "1-7@127.0.0.1", 1795273352.25, ""),
        Note("refused", "1-7@127.0.0.1", 1795273353.5, "486"),
    ]


def test_the_microsecond_zero_is_written_as_nothing(tmp_path: Path) -> None:
    log = tmp_path / "caller.log"
    log.write_text("ringing;14082-18665@127.0.0.1;1795274761.000000;;;.\n")

    assert list(notes(log)) == [Note("ringing", "14082-18665@127.0.0.1", 1795274761.0, "")]
