"""What pages of the runbook say to type is typed by the trial that follows them."""

import pytest

from tests.install.runbook import NOT_TYPED, TYPED, commands_on


@pytest.mark.parametrize("page", TYPED)
def test_the_trial_types_what_the_page_says(page: str) -> None:
    on_page = {*commands_on(page)}
    assert {*TYPED[page]} <= on_page
    assert on_page - {*TYPED[page]} <= NOT_TYPED


def test_every_command_that_is_left_out_is_on_a_page() -> None:
    assert {command for page in TYPED for command in commands_on(page)} >= NOT_TYPED
