"""What the audit trail says that something was and became, in each language."""

import pytest

from charging.orders import RefillRule
from charging.refill import PauseReason, State
from charging.refill_commands import described
from charging.refill_rules import Policy, PolicyState
from portal.change_words import said
from portal.languages import load_catalogues
from portal.words import Words
from tests.fakes.charging import gbp

ENGLISH, FRENCH = (Words(language, load_catalogues()[language], None) for language in ("en", "fr"))
RULE = RefillRule(
    amount=gbp("20"), threshold=gbp("10"), day_max=gbp("100"), month_max=gbp("500.50")
)


def test_amounts_are_written_as_the_reader_writes_them_and_what_is_typed_stays() -> None:
    assert said(ENGLISH, "balance.grant", "20.00 GBP, of 5 BOX") == "£20.00, of 5 BOX"
    assert "20,00\N{NO-BREAK SPACE}£GB" in said(FRENCH, "balance.grant", "20.00 GBP")
    assert said(FRENCH, "card.replace", "MAIN-1 visa 4242") == "MAIN-1 visa 4242"


def test_a_refill_is_one_sentence() -> None:
    armed = described(Policy(office_id="main", state=PolicyState.ARMED, rule=RULE))
    assert said(ENGLISH, "refill.set", armed) == (
        "on: £20.00 below £10.00, at most £100.00 a day and £500.50 a month"
    )
    assert said(FRENCH, "refill.set", armed) == (
        "active : 20,00 £GB en dessous de 10,00 £GB, au plus 100,00 £GB par jour"
        " et 500,50 £GB par mois".replace(" £GB", "\N{NO-BREAK SPACE}£GB")
    )
    assert said(FRENCH, "refill.off", described(Policy(office_id="main"))) == "désactivée"


@pytest.mark.parametrize("state", PolicyState)
@pytest.mark.parametrize("why", [None, *PauseReason])
@pytest.mark.parametrize("rule", [None, RULE])
def test_however_a_refill_stood_no_word_of_it_stays_english(
    state: PolicyState, why: PauseReason | None, rule: RefillRule | None
) -> None:
    text = described(Policy(office_id="main", state=state, paused_for=why, rule=rule))
    french = said(FRENCH, "refill.set", text)
    assert french != said(ENGLISH, "refill.set", text)
    assert not {"below", "most", "day", "month", state.value, str(why)} & set(french.split())


@pytest.mark.parametrize("state", State)
def test_a_state_of_a_payment_has_the_word_of_its_page(state: State) -> None:
    assert said(FRENCH, "payment.cancel", state) != said(ENGLISH, "payment.cancel", state)


def test_roles_and_languages_have_their_names_and_a_word_of_nobody_stays() -> None:
    assert said(FRENCH, "user.role", "manager") == "Gestionnaire"
    assert said(FRENCH, "notice.address_add", "fr") == "Français"
    assert said(FRENCH, "token.add", "viewer, until 2027-01-31").endswith("31 janv. 2027")
    for action in ("refill.set", "payment.cancel", "user.role", "token.add", "of no kind"):
        assert said(FRENCH, action, "as it was") == "as it was"
        assert said(FRENCH, action, "") == ""
