import re

from charging.errors import (
    ChargingUnavailable,
    ConstraintBroken,
    LedgerFault,
    Refusal,
)


def test_every_refusal_and_fault_has_a_code_of_its_own_that_logs_can_rely_on() -> None:
    kinds: list[type[Refusal | LedgerFault | ChargingUnavailable]] = [
        *Refusal.__subclasses__(),
        *LedgerFault.__subclasses__(),
        ChargingUnavailable,
    ]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_codes_that_prompts_and_scripts_know_do_not_change() -> None:
    codes = {kind.code for kind in Refusal.__subclasses__()}
    assert codes == {
        *("insufficient_balance", "barred", "no_rate", "invalid_number", "unknown_extension"),
        *("extension_not_allowed", "limit_reached", "unknown_office", "unknown_topup"),
        *("topup_spent", "paid_by_card", "unknown_payment", "not_refundable", "bought_just_now"),
        *("amount_not_offered", "no_card", "refill_not_allowed", "no_receipt"),
    }


def test_a_broken_constraint_says_what_the_database_said() -> None:
    assert str(ConstraintBroken("CHECK constraint failed")) == "CHECK constraint failed"
