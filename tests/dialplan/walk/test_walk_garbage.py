"""Garbage is not looked for while numbers are walked, whatever comes of it."""

import gc

import pytest

from dialplan.walk.garbage import none_left


def looked_for_meanwhile(*, wanted: bool) -> None:
    assert gc.isenabled() is wanted
    raise LookupError


def test_it_is_looked_for_again_afterwards() -> None:
    with pytest.raises(LookupError), none_left():
        looked_for_meanwhile(wanted=False)
    assert gc.isenabled()


def test_who_has_stopped_it_already_keeps_it_stopped() -> None:
    with none_left():
        with none_left():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
