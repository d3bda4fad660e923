"""Everything that is claimed of the ledger in memory holds on SQLite and on PostgreSQL.

The tests are those of tests/charging; the fixtures `ledger` and `charging` are those of this
folder.
"""

from types import ModuleType

from tests.charging import test_limits, test_usecases

# These look into the memory of the ledger in memory.
_MEMORY_ONLY = {
    "test_an_included_call_needs_no_money_and_no_database",
    "test_what_may_not_be_called_is_refused_and_nothing_is_reserved",
    "test_every_step_may_be_repeated_and_changes_nothing",
}


def _tests_of(module: ModuleType) -> dict[str, object]:
    return {
        name: function
        for name, function in vars(module).items()
        if name.startswith("test_") and name not in _MEMORY_ONLY
    }


globals().update(_tests_of(test_usecases) | _tests_of(test_limits))
